//! A collector: one body sent to it, over HTTP/1.1 or gRPC, plain or through TLS, on a connection of its own. Knows neither metrics nor
//! spans; nothing of it runs where nobody asked for it.

use std::future::poll_fn;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_http::h1::{Framing, Leg, Limits};
use forebay_http::{Head, Pool, Scheme, Sink};
use forebay_net::Stream;
use forebay_net::tls::{ClientSpec, ClientTls, Params, SanRule, Validation, Version};
use forebay_report::otlp as pb;
use tokio::net::TcpStream;

use crate::config::{Config, Target};
use crate::unary;

/// The exporters' default for one attempt.
const PATIENCE: Duration = Duration::from_secs(10);

/// A collector has little to say.
const RESPONSE: Limits =
    Limits { head_bytes: 64 * 1024, headers: 100, http10: true, keeps_case: false, connect: false };

/// Where the system keeps the authorities it believes, as Go looks for them.
const AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Who takes metrics or spans.
pub(crate) struct Collector {
    target: Target,
    /// gRPC's path of the call.
    rpc: &'static str,
    authorities: Option<PathBuf>,
    tls: OnceLock<Result<ClientTls, String>>,
}

impl Collector {
    pub(crate) fn new(target: &Target, rpc: &'static str, config: &Config) -> Self {
        let authorities = config.collector_authorities.clone();
        Self { target: target.clone(), rpc, authorities, tls: OnceLock::new() }
    }

    /// Sends one message; what went wrong, in words.
    pub(crate) async fn send(&self, message: Vec<u8>) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.attempt(message)).await {
            Ok(done) => done,
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        }
    }

    async fn attempt(&self, message: Vec<u8>) -> Result<(), String> {
        let stream = self.connect().await?;
        if self.target.grpc { self.call(stream, &message).await } else { self.post(stream, &message).await }
    }

    async fn post(&self, stream: Stream, message: &[u8]) -> Result<(), String> {
        let Target { host, port, path, .. } = &self.target;
        let mut head = Head::default();
        head.set_request(b"POST", path.as_bytes(), authority(host, *port).as_bytes());
        head.push(b"user-agent", AGENT.as_bytes());
        head.push(b"content-type", b"application/x-protobuf");
        let mut leg = Leg::new(stream, Pool::new(), None);
        leg.start_request(&head, Framing::Length(message.len() as u64));
        let mut rest = message;
        while !rest.is_empty() {
            let sent = poll_fn(|cx| leg.poll_send(cx, rest)).await.map_err(told)?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Sink::finish(&mut leg, None).map_err(told)?;
        poll_fn(|cx| Sink::poll_flush(&mut leg, cx)).await.map_err(told)?;
        poll_fn(|cx| leg.poll_response(cx, &mut head, &RESPONSE, false)).await.map_err(told)?;
        if (200..300).contains(&head.status) { Ok(()) } else { Err(format!("answered {}", head.status)) }
    }

    async fn call(&self, stream: Stream, message: &[u8]) -> Result<(), String> {
        let Target { host, port, tls, .. } = &self.target;
        let mut head = Head::default();
        head.set_request(b"POST", self.rpc.as_bytes(), authority(host, *port).as_bytes());
        head.scheme = if *tls { Scheme::Https } else { Scheme::Http };
        head.push(b"content-type", b"application/grpc");
        head.push(b"te", b"trailers");
        head.push(b"user-agent", AGENT.as_bytes());
        let answer = unary::ask(stream, &Pool::new(), &head, Some(&unary::message(message))).await?;
        match answer.grpc_status.as_deref() {
            Some("0") => Ok(()),
            status => Err(format!(
                "status {}, grpc-status {}: {}",
                answer.status,
                status.unwrap_or("none"),
                answer.grpc_message.unwrap_or_default()
            )),
        }
    }

    async fn connect(&self) -> Result<Stream, String> {
        let Target { host, port, .. } = &self.target;
        let said = |e: std::io::Error| format!("{}: {e}", authority(host, *port));
        let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(said)?;
        if !self.target.tls {
            return Ok(Stream::Plain(tcp));
        }
        let tls = self.tls.get_or_init(|| self.secure()).as_ref().map_err(Clone::clone)?;
        let peer = tcp.peer_addr().map_err(said)?.ip();
        let mut session = tls.begin(tcp, peer, self.target.grpc, None).map_err(told)?;
        session.handshake().await.map_err(told)?;
        Ok(Stream::Tls(Box::new(session)))
    }

    /// Believes who has the collector's name from an authority that the system believes.
    fn secure(&self) -> Result<ClientTls, String> {
        let (path, pem) = match &self.authorities {
            Some(path) => (path.clone(), std::fs::read(path)),
            None => {
                let found = AUTHORITIES.iter().find(|path| std::path::Path::new(path).exists());
                let path = PathBuf::from(found.copied().unwrap_or(AUTHORITIES[0]));
                (path.clone(), std::fs::read(path))
            }
        };
        let pem = pem.map_err(|e| format!("authorities of collectors: {}: {e}", path.display()))?;
        let name: Box<str> = self.target.host.as_str().into();
        let own = name.clone();
        let rule = SanRule {
            kind: None,
            accepts: Arc::new(move |said| said.eq_ignore_ascii_case(&own)),
            exact: Some(name.clone()),
        };
        let spec = ClientSpec {
            sni: name.parse::<IpAddr>().is_err().then_some(name),
            alpn: Vec::new(),
            params: Params { min: Version::V12, max: Version::V13, ciphers: Vec::new(), groups: Vec::new() },
            validation: Validation { authorities: Some(pem.into()), sans: vec![rule], unnamed: false },
            certificate: None,
            sessions: 1,
        };
        ClientTls::new(&spec).map_err(told)
    }
}

const AGENT: &str = concat!("forebay-queue-proxy/", env!("CARGO_PKG_VERSION"));

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// An error with its causes.
fn told(error: impl std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whose metrics and spans they are (serving: `pkg/queue/sharedmain/otel.go`).
pub(crate) fn resource(config: &Config) -> pb::Resource {
    let id = &config.identity;
    let mut attributes: Vec<pb::KeyValue> = [
        ("container.name", "queue-proxy"),
        ("k8s.namespace.name", &id.namespace),
        ("k8s.pod.name", &config.pod_name),
        ("service.instance.id", &config.pod_name),
        ("service.name", config.telemetry_name()),
        ("service.version", "unknown"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "forebay"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ]
    .map(|(key, value)| pb::KeyValue::text(key, value))
    .into();
    for (key, value) in [
        ("kn.service.name", &id.service),
        ("kn.configuration.name", &id.configuration),
        ("kn.revision.name", &id.revision),
    ] {
        if !value.is_empty() {
            attributes.push(pb::KeyValue::text(key, value.as_str()));
        }
    }
    pb::Resource { attributes }
}
