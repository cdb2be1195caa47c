//! What the environment tells the sample app. Read once, before anything else.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Settings {
    /// Where to listen: `$ADDRESS` (127.0.0.1) and `$PORT` (8080).
    pub listen: SocketAddr,
    /// Who is greeted: `$TARGET` (World).
    pub target: String,
    /// `$START_DELAY_MS`: an app that takes its time before it listens.
    pub start_delay: Duration,
    /// `$K_SERVICE` and `$K_REVISION`, empty where nobody set them.
    pub service: String,
    pub revision: String,
}

impl Settings {
    pub(super) fn from_env() -> Result<Self, String> {
        let port = number("PORT", 8080u16)?;
        let address = number("ADDRESS", IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        Ok(Self {
            listen: SocketAddr::new(address, port),
            target: text("TARGET").unwrap_or_else(|| "World".to_owned()),
            start_delay: Duration::from_millis(number("START_DELAY_MS", 0u64)?),
            service: text("K_SERVICE").unwrap_or_default(),
            revision: text("K_REVISION").unwrap_or_default(),
        })
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, otherwise: T) -> Result<T, String> {
    match text(name) {
        Some(value) => value.trim().parse().map_err(|_| format!("{name}={value:?} cannot be used")),
        None => Ok(otherwise),
    }
}
