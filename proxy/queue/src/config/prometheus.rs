//! Where and how Prometheus asks: `METRICS_PROMETHEUS_*` (knative.dev/pkg: `observability/metrics/prometheus/server.go`). Reads files of
//! certificates, binds nothing.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use forebay_net::tls::{Clients, Pem, ServerSpec, Validation};

use super::words::Words;
use super::{Invalid, tls};

/// Where Prometheus asks.
#[derive(Clone)]
pub struct Prometheus {
    /// Where.
    pub at: SocketAddr,
    /// Through which TLS, where it is through any.
    pub tls: Option<Arc<ServerSpec>>,
}

impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prometheus").field("at", &self.at).field("tls", &self.tls.is_some()).finish()
    }
}

/// serving: `UserQueueMetricsPort`.
const PORT: u16 = 9091;

const CERT: &str = "METRICS_PROMETHEUS_TLS_CERT";
const KEY: &str = "METRICS_PROMETHEUS_TLS_KEY";
const AUTH: &str = "METRICS_PROMETHEUS_TLS_CLIENT_AUTH";
const CA: &str = "METRICS_PROMETHEUS_TLS_CLIENT_CA_FILE";

/// By the variables, else by the configuration's `endpoint`, else on all addresses.
pub(super) fn read(env: &Words<'_>, address: IpAddr, endpoint: &str) -> Result<Prometheus, Invalid> {
    let (host, port) = listen(endpoint).ok_or_else(|| {
        Invalid::Telemetry(format!("requestMetrics.endpoint: {endpoint:?} is not an address and a port"))
    })?;
    let port = env.optional_port("METRICS_PROMETHEUS_PORT", port.unwrap_or(PORT))?;
    let host = env.address("METRICS_PROMETHEUS_HOST", host.unwrap_or(address))?;
    Ok(Prometheus {
        at: SocketAddr::new(host, port),
        tls: secure(env).map_err(Invalid::Prometheus)?.map(Arc::new),
    })
}

/// `host:port`, either of which may be missing.
fn listen(endpoint: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    if endpoint.is_empty() {
        return Some((None, None));
    }
    let (host, port) = endpoint.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { None } else { Some(host.parse().ok()?) };
    Some((host, Some(port.parse().ok()?)))
}

/// The certificate and the rules for clients; everything that does not fit together is said by name.
fn secure(env: &Words<'_>) -> Result<Option<ServerSpec>, String> {
    let (cert, key) = (env.optional(CERT), env.optional(KEY));
    if cert.is_empty() != key.is_empty() {
        return Err(format!("both {CERT} and {KEY} must be set or neither"));
    }
    let auth = env.optional(AUTH).trim().to_ascii_lowercase();
    let required = match auth.as_str() {
        "" | "none" => None,
        "optional" => Some(false),
        "require" => Some(true),
        other => {
            return Err(format!("invalid {AUTH} {other:?}: must be \"none\", \"optional\", or \"require\""));
        }
    };
    let ca = env.optional(CA).trim().to_owned();
    if cert.is_empty() {
        return match required.is_some() || !ca.is_empty() {
            true => Err(format!("{AUTH} and {CA} require TLS to be enabled ({CERT} and {KEY} must be set)")),
            false => Ok(None),
        };
    }
    let clients = match (required, ca.as_str()) {
        (None, "") => None,
        (None, _) => {
            return Err(format!("{CA} is set but {AUTH} is {auth:?}; set it to \"optional\" or \"require\""));
        }
        (Some(_), "") => return Err(format!("{CA} must be set when {AUTH} is {auth:?}")),
        (Some(required), path) => {
            let authorities = Some(file(CA, path)?);
            Some(Clients { validation: Validation { authorities, ..Validation::default() }, required })
        }
    };
    Ok(Some(ServerSpec {
        certificates: vec![Pem { chain: file(CERT, &cert)?, key: file(KEY, &key)? }],
        alpn: vec![b"http/1.1"[..].into()],
        params: tls::read(env, "METRICS_PROMETHEUS")?,
        clients,
        tickets: true,
        memory: false,
        client_order: false,
    }))
}

fn file(name: &str, path: &str) -> Result<Arc<[u8]>, String> {
    std::fs::read(Path::new(path)).map(Into::into).map_err(|e| format!("{name}: {path}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(said: &[(&str, &str)]) -> Result<Option<ServerSpec>, String> {
        let get = |name: &str| said.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        secure(&Words(&get))
    }

    #[test]
    fn what_does_not_fit_together_is_said_by_name() {
        assert!(with(&[]).unwrap().is_none());
        let both = [(CERT, "/nonexistent"), (KEY, "/nonexistent")];
        for (said, name) in [
            (&[(CERT, "/c")][..], KEY),
            (&[(KEY, "/k")], CERT),
            (&[(AUTH, "require")], CERT),
            (&[(CA, "/ca")], CERT),
            (&[(AUTH, "maybe")], AUTH),
            (&[both[0], both[1], (AUTH, "require")], CA),
            (&[both[0], both[1], (CA, "/ca")], AUTH),
            (&both, CERT),
        ] {
            let error = with(said).err().unwrap_or_default();
            assert!(error.contains(name), "{said:?}: {error}");
        }
    }

    #[test]
    fn the_endpoint_of_the_configuration_is_where_it_listens() {
        let address = "127.0.0.1".parse::<IpAddr>().unwrap();
        assert_eq!(listen(""), Some((None, None)));
        assert_eq!(listen(":9092"), Some((None, Some(9092))));
        assert_eq!(listen("127.0.0.1:9092"), Some((Some(address), Some(9092))));
        assert_eq!(listen("[::1]:1"), Some((Some("::1".parse().unwrap()), Some(1))));
        assert_eq!(listen("nowhere"), None);
        assert_eq!(listen("host:9"), None);
    }
}
