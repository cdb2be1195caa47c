//! One attempt of one probe: connect, ask, judge. Knows nothing of when.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;

use forebay_http::h1::{Framing, HeadError, Leg, Limits};
use forebay_http::{Head, Pool, Sink};
use forebay_net::Stream;
use prost::Message;
use tokio::net::TcpStream;

use super::Handler;
use crate::unary::{self, Answer};

/// What an attempt does.
pub(super) struct Attempt {
    handler: Handler,
    detects_http2: bool,
    buffers: Rc<Pool>,
}

/// An attempt that was no success.
pub(super) struct Miss {
    pub(super) what: String,
    /// Nobody listens: asking again costs next to nothing.
    pub(super) refused: bool,
}

/// Programs know the prefix from Kubernetes; the version is empty, as the reference's is.
const AGENT: &[u8] = b"kube-probe//";

/// Redirects that are followed, as Go's client does.
const REDIRECTS: usize = 10;

/// Answers to probes are small.
const LIMITS: Limits =
    Limits { head_bytes: 64 * 1024, headers: 200, http10: true, keeps_case: false, connect: false };

impl Attempt {
    pub(super) fn new(handler: &Handler, detects_http2: bool, buffers: Rc<Pool>) -> Self {
        Self { handler: handler.clone(), detects_http2, buffers }
    }

    pub(super) async fn run(&self) -> Result<(), Miss> {
        match &self.handler {
            Handler::Unknown(what) => Err(self.miss(what)),
            Handler::Tcp { address } => self.connect(address).await.map(drop),
            Handler::Grpc { port, service } => self.grpc(*port, service).await,
            Handler::Http { address, path, headers } => {
                if self.detects_http2 {
                    // A server of HTTP/1 is ready by its answer; one of HTTP/2 is asked again with all headers.
                    let h2 = self.http2(address, path, &[]).await;
                    return match h2 {
                        Ok(()) => self.http2(address, path, headers).await,
                        Err(miss) if miss.refused => Err(miss),
                        Err(_) => self.http(address, path, &[]).await,
                    };
                }
                self.http(address, path, headers).await
            }
        }
    }

    fn miss(&self, what: impl fmt::Display) -> Miss {
        Miss { what: format!("{self}: {what}"), refused: false }
    }

    async fn connect(&self, address: &str) -> Result<TcpStream, Miss> {
        let failed = |e: io::Error| Miss {
            refused: e.kind() == io::ErrorKind::ConnectionRefused,
            what: format!("dial tcp {address}: {e}"),
        };
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        // A port among the kernel's ephemeral ones can connect to itself while nobody listens on it.
        if stream.local_addr().map_err(failed)? == stream.peer_addr().map_err(failed)? {
            return Err(failed(io::ErrorKind::ConnectionRefused.into()));
        }
        Ok(stream)
    }

    /// HTTP/1.1, each time on a new connection, following redirects.
    async fn http(&self, address: &str, path: &str, headers: &[(String, String)]) -> Result<(), Miss> {
        let (mut address, mut path) = (address.to_owned(), path.to_owned());
        for _ in 0..=REDIRECTS {
            let stream = Stream::Plain(self.connect(&address).await?);
            let mut leg = Leg::new(stream, self.buffers.clone(), None);
            leg.start_request(&request(&address, &path, headers), Framing::None);
            let mut response = Head::default();
            let asked = poll_fn(|cx| leg.poll_flush(cx)).await;
            asked.map_err(|e| self.miss(e))?;
            loop {
                let head = poll_fn(|cx| leg.poll_response(cx, &mut response, &LIMITS, false)).await;
                match head {
                    Ok(_) if response.status < 200 && response.status != 101 => {}
                    Ok(_) => break,
                    Err(HeadError::Truncated | HeadError::Closed) => return Err(self.miss("EOF")),
                    Err(e) => return Err(self.miss(e)),
                }
            }
            match redirect(&response, &address) {
                Some((to, at)) => (address, path) = (to, at),
                None => return self.judge(response.status),
            }
        }
        Err(self.miss("stopped after 10 redirects"))
    }

    /// HTTP/2 with prior knowledge.
    async fn http2(&self, address: &str, path: &str, headers: &[(String, String)]) -> Result<(), Miss> {
        let request = request(address, path, headers);
        let answer = self.exchange(address, &request, None).await?;
        self.judge(answer.status)
    }

    fn judge(&self, status: u16) -> Result<(), Miss> {
        if (200..400).contains(&status) {
            return Ok(());
        }
        Err(self.miss(format_args!("HTTP probe did not respond Ready, got status code: {status}")))
    }

    /// `grpc.health.v1.Health/Check`; SERVING is success.
    async fn grpc(&self, port: u16, service: &str) -> Result<(), Miss> {
        let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let mut head = Head::default();
        head.set_request(b"POST", b"/grpc.health.v1.Health/Check", address.as_bytes());
        head.push(b"content-type", b"application/grpc");
        head.push(b"te", b"trailers");
        head.push(b"user-agent", AGENT);
        let message = HealthCheckRequest { service: service.to_owned() };
        let body = unary::message(&message.encode_to_vec());
        let Answer { status, body, grpc_status, .. } = self.exchange(&address, &head, Some(&body)).await?;
        if status != 200 {
            return Err(self.miss(format_args!("health rpc probe failed: HTTP status {status}")));
        }
        match grpc_status.as_deref() {
            Some("0") => {}
            Some("12") => {
                let what = "this server does not implement the grpc health protocol (grpc.health.v1.Health)";
                return Err(self.miss(what));
            }
            code => {
                let code = code.unwrap_or("none");
                return Err(self.miss(format_args!("health rpc probe failed: grpc-status {code}")));
            }
        }
        let serving = body.get(5..).and_then(|message| HealthCheckResponse::decode(message).ok());
        match serving {
            Some(HealthCheckResponse { status: SERVING }) => Ok(()),
            Some(HealthCheckResponse { status }) => {
                Err(self.miss(format_args!("service unhealthy (responded with {status})")))
            }
            None => Err(self.miss("health rpc probe failed: no message")),
        }
    }

    async fn exchange(&self, address: &str, head: &Head, body: Option<&[u8]>) -> Result<Answer, Miss> {
        let stream = Stream::Plain(self.connect(address).await?);
        unary::ask(stream, &self.buffers, head, body).await.map_err(|e| self.miss(e))
    }
}

fn request(address: &str, path: &str, headers: &[(String, String)]) -> Head {
    let mut head = Head::default();
    head.set_request(b"GET", path.as_bytes(), address.as_bytes());
    head.push(b"user-agent", AGENT);
    head.push(b"accept-encoding", b"gzip");
    head.push(b"connection", b"close");
    for (name, value) in headers {
        // The line of Host is the address, as in the reference.
        if name != "host" {
            head.push(name.as_bytes(), value.as_bytes());
        }
    }
    head
}

/// Where a redirect leads to, if the answer is one that can be followed.
fn redirect(response: &Head, address: &str) -> Option<(String, String)> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = std::str::from_utf8(response.get(b"location")?).ok()?;
    if location.starts_with('/') && !location.starts_with("//") {
        return Some((address.to_owned(), location.to_owned()));
    }
    let uri: http::Uri = location.parse().ok().filter(|uri: &http::Uri| uri.scheme_str() == Some("http"))?;
    let authority = uri.authority()?;
    let to = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    Some((to, uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string)))
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.handler {
            Handler::Grpc { port, .. } => write!(f, "gRPC health check on port {port}"),
            Handler::Http { address, path, .. } => write!(f, "Get \"http://{address}{path}\""),
            Handler::Tcp { address } => write!(f, "dial tcp {address}"),
            Handler::Unknown(_) => f.write_str("probe"),
        }
    }
}

/// grpc/health/v1/health.proto, the two messages of `Check`.
#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `ServingStatus.SERVING`.
const SERVING: i32 = 1;
