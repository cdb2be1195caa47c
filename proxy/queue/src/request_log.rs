//! A line for each request by a template of Go's: what the template may ask for, and lines on standard output. Knows no more of a
//! request than what is kept of it for this.

use std::cell::RefCell;
use std::io::Write;
use std::net::SocketAddr;
use std::rc::Rc;

use forebay_http::h1::Framing;
use forebay_http::{Head, Known, Version};

use crate::config::{Config, Identity};
use crate::exchange::is_probe;
use crate::template::{Data, Template, Value};

/// The log, where one is asked for.
pub(crate) struct RequestLog {
    template: Template,
    /// Whether probes are logged too.
    probes: bool,
    identity: Identity,
    /// Lines that wait for their moment.
    lines: RefCell<Vec<u8>>,
}

/// What is kept of a request until its line is written.
pub(crate) struct Kept {
    head: Head,
    framing: Framing,
    close: bool,
}

/// How it went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) size: u64,
    /// In microseconds.
    pub(crate) latency: u64,
}

/// Whom it came from.
#[derive(Debug, Clone)]
pub(crate) struct From {
    pub(crate) remote: SocketAddr,
    pub(crate) secure: Option<Rc<Secure>>,
}

/// What is known of a TLS session.
#[derive(Debug)]
pub(crate) struct Secure {
    /// As on the wire.
    pub(crate) version: u16,
    pub(crate) protocol: String,
    pub(crate) server_name: String,
    pub(crate) resumed: bool,
    pub(crate) suite: u16,
}

/// Bytes at which lines are written at once.
const FULL: usize = 64 * 1024;

impl RequestLog {
    /// None where none is asked for, or where its template is none, which is told: requests are more than their log.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let asked = &config.observability;
        if !asked.enable_request_log || asked.request_log_template.is_empty() {
            return None;
        }
        // Log readers tell lines apart by their ends.
        let mut text = asked.request_log_template.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match Template::parse(&text) {
            Ok(template) => Some(Self {
                template,
                probes: asked.enable_probe_request_log,
                identity: config.identity.clone(),
                lines: RefCell::default(),
            }),
            Err(error) => {
                tracing::error!(%error, "Error setting up request logger. Request logs will be unavailable.");
                None
            }
        }
    }

    /// Keeps what a line may need; `None` for what is not logged.
    pub(crate) fn keep(&self, req: &Head, framing: Framing, close: bool) -> Option<Box<Kept>> {
        if !self.probes && is_probe(req) {
            return None;
        }
        let mut head = Head::default();
        head.set_request(req.method(), req.path(), req.authority());
        (head.version, head.scheme) = (req.version, req.scheme);
        // Go's server keeps framing apart from the headers.
        for (name, value, known) in req.iter() {
            if !matches!(known, Known::TransferEncoding | Known::Trailer) {
                head.push(name, value);
            }
        }
        Some(Box::new(Kept { head, framing, close }))
    }

    /// Writes the line, soon.
    pub(crate) fn log(self: &Rc<Self>, kept: &Kept, from: &From, outcome: Outcome) {
        let line = Line { log: self, kept, from, outcome };
        let text = self.template.execute(&line).unwrap_or_else(|error| {
            tracing::debug!(%error, "the request log's template failed");
            format!(
                "Invalid request log template: method: {}, response code: {}, latency: {}, url: {}\n",
                text(kept.head.method()),
                outcome.status,
                Value::Float(line.latency()).show(),
                line.url(),
            )
        });
        let mut lines = self.lines.borrow_mut();
        let first = lines.is_empty();
        lines.extend_from_slice(text.as_bytes());
        let full = lines.len() >= FULL;
        drop(lines);
        if full {
            self.flush();
        } else if first {
            // After whatever is ready to be served now: many lines are one write then.
            let this = self.clone();
            tokio::task::spawn_local(async move {
                tokio::task::yield_now().await;
                this.flush();
            });
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        let lines = std::mem::take(&mut *self.lines.borrow_mut());
        // Nobody is left to tell if standard output is closed.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(&lines).and_then(|()| out.flush());
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One request, as the template sees it.
struct Line<'l> {
    log: &'l RequestLog,
    kept: &'l Kept,
    from: &'l From,
    outcome: Outcome,
}

const ROOT: u32 = 0;
const REQUEST: u32 = 1;
const RESPONSE: u32 = 2;
const REVISION: u32 = 3;
const URL: u32 = 4;
const TLS: u32 = 5;

impl Line<'_> {
    fn header(&self, name: &[u8]) -> Value {
        Value::text(self.kept.head.get(name).map(text).unwrap_or_default())
    }

    /// In seconds.
    fn latency(&self) -> f64 {
        self.outcome.latency as f64 / 1e6
    }

    fn url(&self) -> String {
        text(self.kept.head.path())
    }

    /// Go's `http.Header`: names as Go writes them, in order.
    fn headers(&self) -> Value {
        let mut named = std::collections::BTreeMap::<String, Vec<Value>>::new();
        for (name, value, _) in self.kept.head.iter() {
            named.entry(canonical(&text(name))).or_default().push(Value::text(text(value)));
        }
        Value::Map(
            named.into_iter().map(|(name, values)| (name.into(), Value::List(values.into()))).collect(),
        )
    }

    /// serving: `ExtractTraceID`.
    fn trace_id(&self) -> String {
        let head = &self.kept.head;
        let parent = head.get(b"traceparent").map(text).unwrap_or_default();
        let from_parent =
            parent.split('-').nth(1).map(str::to_owned).filter(|_| parent.split('-').count() >= 4);
        from_parent.unwrap_or_else(|| head.get(b"x-b3-traceid").map(text).unwrap_or_default())
    }

    fn request(&self, name: &str, arguments: &[Value]) -> Option<Value> {
        let head = &self.kept.head;
        let two = head.version == Version::H2;
        let minor = i64::from(head.version == Version::H11);
        Some(match (name, arguments) {
            ("Method", []) => Value::text(text(head.method())),
            ("RequestURI", []) => Value::text(text(head.path())),
            ("URL", []) => Value::Object(URL),
            ("Host", []) => Value::text(text(head.authority())),
            ("Proto", []) => Value::from(match head.version {
                Version::H10 => "HTTP/1.0",
                Version::H11 => "HTTP/1.1",
                Version::H2 => "HTTP/2.0",
            }),
            ("ProtoMajor", []) => Value::Int(if two { 2 } else { 1 }),
            ("ProtoMinor", []) => Value::Int(minor),
            ("ProtoAtLeast", [Value::Int(major), Value::Int(least)]) => {
                let (own, own_minor) = if two { (2, 0) } else { (1, minor) };
                Value::Bool(own > *major || own == *major && own_minor >= *least)
            }
            ("Header", []) => self.headers(),
            ("ContentLength", []) => Value::Int(match self.kept.framing {
                Framing::None | Framing::Unsent => 0,
                Framing::Length(n) => i64::try_from(n).unwrap_or(i64::MAX),
                Framing::Chunked | Framing::Close => -1,
            }),
            ("TransferEncoding", []) => {
                let chunked = self.kept.framing == Framing::Chunked && !two;
                Value::List(if chunked { [Value::from("chunked")].into() } else { [].into() })
            }
            ("Close", []) => Value::Bool(self.kept.close),
            ("RemoteAddr", []) => Value::text(self.from.remote.to_string()),
            ("UserAgent", []) => self.header(b"user-agent"),
            ("Referer", []) => self.header(b"referer"),
            ("Pattern", []) => Value::from(""),
            ("TLS", []) => self.from.secure.as_ref().map_or(Value::Null, |_| Value::Object(TLS)),
            _ => return None,
        })
    }

    fn url_field(&self, name: &str) -> Option<Value> {
        let whole = self.url();
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        Some(match name {
            "Path" => Value::text(decoded(path)),
            "RawPath" => Value::from(if decoded(path) == path { "" } else { path }),
            "EscapedPath" => Value::from(path),
            "RawQuery" => Value::from(query),
            "ForceQuery" => Value::Bool(query.is_empty() && whole.ends_with('?')),
            "String" | "RequestURI" => Value::text(whole),
            "Scheme" | "Opaque" | "Host" | "Hostname" | "Port" | "Fragment" | "RawFragment" => {
                Value::from("")
            }
            "User" => Value::Null,
            "IsAbs" | "OmitHost" => Value::Bool(false),
            _ => return None,
        })
    }

    fn tls_field(&self, name: &str) -> Option<Value> {
        let tls = self.from.secure.as_ref()?;
        Some(match name {
            "Version" => Value::Int(tls.version.into()),
            "HandshakeComplete" => Value::Bool(true),
            "DidResume" => Value::Bool(tls.resumed),
            "CipherSuite" => Value::Int(tls.suite.into()),
            "NegotiatedProtocol" => Value::text(tls.protocol.as_str()),
            "NegotiatedProtocolIsMutual" => Value::Bool(true),
            "ServerName" => Value::text(tls.server_name.as_str()),
            "PeerCertificates" | "VerifiedChains" => Value::List([].into()),
            _ => return None,
        })
    }
}

impl Data for Line<'_> {
    fn root(&self) -> Value {
        Value::Object(ROOT)
    }

    fn field(&self, object: u32, name: &str, arguments: &[Value]) -> Option<Value> {
        if object == REQUEST {
            return self.request(name, arguments);
        }
        if !arguments.is_empty() {
            return None;
        }
        let identity = &self.log.identity;
        Some(match (object, name) {
            (ROOT, "Request") => Value::Object(REQUEST),
            (ROOT, "Response") => Value::Object(RESPONSE),
            (ROOT, "Revision") => Value::Object(REVISION),
            (ROOT, "TraceID") => Value::text(self.trace_id()),
            (RESPONSE, "Code") => Value::Int(self.outcome.status.into()),
            (RESPONSE, "Size") => Value::Int(i64::try_from(self.outcome.size).unwrap_or(i64::MAX)),
            (RESPONSE, "Latency") => Value::Float(self.latency()),
            (REVISION, "Name") => Value::text(identity.revision.as_str()),
            (REVISION, "Namespace") => Value::text(identity.namespace.as_str()),
            (REVISION, "Service") => Value::text(identity.service.as_str()),
            (REVISION, "Configuration") => Value::text(identity.configuration.as_str()),
            (REVISION, "PodName") => Value::text(identity.pod.as_str()),
            (REVISION, "PodIP") => Value::text(identity.pod_ip.as_str()),
            (URL, name) => return self.url_field(name),
            (TLS, name) => return self.tls_field(name),
            _ => return None,
        })
    }

    /// Objects print as Go prints them where that says anything: a URL is its text, others are their fields in braces.
    fn print(&self, object: u32) -> String {
        let fields: &[&str] = match object {
            URL => return self.url(),
            TLS => &[
                "Version",
                "HandshakeComplete",
                "DidResume",
                "CipherSuite",
                "NegotiatedProtocol",
                "NegotiatedProtocolIsMutual",
                "ServerName",
            ],
            RESPONSE => &["Code", "Size", "Latency"],
            REVISION => &["Name", "Namespace", "Service", "Configuration", "PodName", "PodIP"],
            REQUEST => &[
                "Method",
                "URL",
                "Proto",
                "ProtoMajor",
                "ProtoMinor",
                "Header",
                "ContentLength",
                "Host",
                "RemoteAddr",
                "RequestURI",
            ],
            _ => &["Request", "Response", "Revision", "TraceID"],
        };
        let all: Vec<String> = fields
            .iter()
            .filter_map(|name| self.field(object, name, &[]))
            .map(|value| value.print(self))
            .collect();
        format!("{{{}}}", all.join(" "))
    }
}

/// A header's name as Go writes it.
fn canonical(name: &str) -> String {
    let parts: Vec<String> = name
        .split('-')
        .map(|part| {
            let mut chars = part.chars();
            chars
                .next()
                .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
        })
        .collect();
    parts.join("-")
}

/// A path without its escapes.
fn decoded(path: &str) -> String {
    let mut out = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                out.push(byte);
                rest = more.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = more;
            }
        }
    }
    text(&out)
}
