//! Probes as Kubernetes writes them in JSON (`core/v1` `Probe`). Asks nobody.

use serde::Deserialize;

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is asked.
    pub handler: Handler,
    /// Seconds between two attempts; 0 is Knative's aggressive probing.
    pub period_seconds: u32,
    /// Seconds that one attempt may take, where there is a period.
    pub timeout_seconds: u32,
    /// Successes in a row that make it ready, where there is no period.
    pub success_threshold: u32,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handler {
    /// `grpc.health.v1.Health/Check`, on this machine.
    Grpc {
        /// Where.
        port: u16,
        /// Of which service; empty is the server as a whole.
        service: String,
    },
    /// GET; 200 to 399 is success.
    Http {
        /// Where, as `host:port`.
        address: String,
        /// With the query.
        path: String,
        /// Further headers, in order.
        headers: Vec<(String, String)>,
    },
    /// Connect, then close.
    Tcp {
        /// Where, as `host:port`.
        address: String,
    },
    /// Nothing that a queue-proxy can ask; the reference's words for it.
    Unknown(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    http_get: Option<HttpGet>,
    tcp_socket: Option<TcpSocket>,
    grpc: Option<Grpc>,
    exec: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    period_seconds: i32,
    #[serde(default)]
    timeout_seconds: i32,
    #[serde(default)]
    success_threshold: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpGet {
    #[serde(default)]
    path: String,
    port: Port,
    #[serde(default)]
    host: String,
    #[serde(default)]
    scheme: String,
    http_headers: Option<Vec<Header>>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct TcpSocket {
    port: Port,
    #[serde(default)]
    host: String,
}

#[derive(Deserialize)]
struct Grpc {
    port: u16,
    service: Option<String>,
}

/// Kubernetes' `IntOrString`. A name cannot be resolved here, so a text has to be a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Port {
    fn number(&self) -> Result<u16, String> {
        match self {
            Port::Number(port) => Ok(*port),
            Port::Text(text) => text.parse().map_err(|_| format!("port: {text:?} is not a number")),
        }
    }
}

/// Reads one probe, or with `several` an array of them; empty is none. `null` asks for nothing: it stands for a container
/// without a probe, and the reference fails to start on it.
pub(crate) fn parse(text: &str, several: bool) -> Result<Vec<Probe>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let raw: Vec<Option<Raw>> = if several {
        serde_json::from_str(text).map_err(|e| e.to_string())?
    } else {
        vec![serde_json::from_str(text).map_err(|e| e.to_string())?]
    };
    raw.into_iter().flatten().map(Probe::new).collect()
}

impl Probe {
    fn new(raw: Raw) -> Result<Self, String> {
        let count = |n: i32| u32::try_from(n).unwrap_or_default();
        let handler = match raw {
            Raw { http_get: Some(get), .. } => http(get)?,
            Raw { tcp_socket: Some(tcp), .. } => Handler::Tcp { address: address(&tcp.host, &tcp.port)? },
            Raw { grpc: Some(grpc), .. } => {
                Handler::Grpc { port: grpc.port, service: grpc.service.unwrap_or_default() }
            }
            // Knative's controller makes a TCP probe of it before it comes here.
            Raw { exec: Some(_), .. } => Handler::Unknown("exec probe not supported"),
            _ => Handler::Unknown("no probe found"),
        };
        Ok(Self {
            handler,
            period_seconds: count(raw.period_seconds),
            timeout_seconds: count(raw.timeout_seconds),
            success_threshold: count(raw.success_threshold),
        })
    }
}

fn http(get: HttpGet) -> Result<Handler, String> {
    if !(get.scheme.is_empty() || get.scheme.eq_ignore_ascii_case("http")) {
        // The reference verifies by the system's roots, which no certificate for 127.0.0.1 satisfies.
        return Ok(Handler::Unknown(
            "httpGet.scheme: the certificate of an app on 127.0.0.1 cannot be verified",
        ));
    }
    let path = format!("/{}", get.path.strip_prefix('/').unwrap_or(&get.path));
    if path.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return Err(format!("httpGet.path: {path:?} is not a path"));
    }
    let mut headers = Vec::new();
    for Header { name, value } in get.http_headers.unwrap_or_default() {
        let known = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !known || http::HeaderValue::from_str(&value).is_err() {
            return Err(format!("httpGet.httpHeaders: {name:?}: {value:?} is not a header"));
        }
        headers.push((name.to_ascii_lowercase(), value));
    }
    Ok(Handler::Http { address: address(&get.host, &get.port)?, path, headers })
}

fn address(host: &str, port: &Port) -> Result<String, String> {
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    let port = port.number()?;
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}
