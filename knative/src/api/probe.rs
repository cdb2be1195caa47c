//! Probes as data: what is asked, how often, and how many answers count.
//! Knows nothing of how a probe is run.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Deserializer, Serialize};

/// A readiness, liveness or startup probe, defaulted as Kubernetes and Knative do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    pub handler: Handler,
    /// Seconds between the process' start and the first try.
    #[serde(default)]
    pub initial_delay_seconds: u32,
    /// Seconds between tries. 0 (readiness only) is Knative's aggressive probing: as often as is useful.
    #[serde(default)]
    pub period_seconds: u32,
    /// Seconds one try may take; at least 1 when `period_seconds` is not 0.
    #[serde(default)]
    pub timeout_seconds: u32,
    /// Successes in a row that make it succeed; at least 1.
    pub success_threshold: u32,
    /// Failures in a row that make it fail; at least 1 when `period_seconds` is not 0.
    #[serde(default)]
    pub failure_threshold: u32,
}

impl Probe {
    /// A connect, as often as is useful: what nearly every container has, kept once.
    pub fn connect() -> Arc<Self> {
        static CONNECT: LazyLock<Arc<Probe>> = LazyLock::new(|| {
            Arc::new(Probe {
                handler: Handler::TcpSocket { port: 0, host: Box::default() },
                initial_delay_seconds: 0,
                period_seconds: 0,
                timeout_seconds: 0,
                success_threshold: 1,
                failure_threshold: 0,
            })
        });
        Arc::clone(&CONNECT)
    }
}

/// The probe of a container that was written down; one that is [`Probe::connect`] is that one.
pub(super) fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Probe>>, D::Error> {
    let probe = Option::<Probe>::deserialize(deserializer)?;
    let connect = Probe::connect();
    Ok(probe.map(|probe| if probe == *connect { connect } else { Arc::new(probe) }))
}

/// What one try does. A port of 0 is the serving container's own port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Handler {
    /// GET; 200..=399 is success.
    HttpGet {
        #[serde(default)]
        path: Box<str>,
        #[serde(default)]
        port: u16,
        #[serde(default)]
        scheme: Scheme,
        #[serde(default)]
        host: Box<str>,
        #[serde(default)]
        http_headers: Box<[HttpHeader]>,
    },
    /// Connect, then close.
    TcpSocket {
        #[serde(default)]
        port: u16,
        #[serde(default)]
        host: Box<str>,
    },
    /// grpc.health.v1.Health/Check; SERVING is success.
    Grpc {
        #[serde(default)]
        port: u16,
        #[serde(default)]
        service: Box<str>,
    },
    /// A command; exit status 0 is success.
    Exec {
        #[serde(default)]
        command: Box<[Box<str>]>,
    },
}

/// How an HTTP probe is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

/// A header of an HTTP probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeader {
    pub name: Box<str>,
    #[serde(default)]
    pub value: Box<str>,
}
