//! One request's spans while it runs. Owns their times, parents and attributes; sends nothing.

use forebay_http::{Head, Known, Version};
use forebay_report::otlp as pb;
use forebay_telemetry::trace::{Context, SpanId};
use serde_json::{Map, Value, json};

use super::{Scope, Tracer};
use crate::conn::Peer;

/// What is known of a request that may be traced.
pub(crate) struct Traced {
    /// Of the server's span.
    context: Context,
    /// Whoever called, from outside.
    caller: Option<SpanId>,
    state: String,
    method: &'static str,
    attributes: Vec<pb::KeyValue>,
    /// The method where it is none of those that are known.
    original: String,
    /// What is asked of the app, behind its authority.
    path: String,
    version: &'static str,
    /// In microseconds since the Unix epoch.
    began: u64,
    proxy: Option<Part>,
    wait: Option<Part>,
    client: Option<Part>,
    status: u16,
    error: Option<(&'static str, String)>,
}

/// A span within the server's.
struct Part {
    id: SpanId,
    began: u64,
    ended: u64,
}

impl Traced {
    /// A request has come; it is as the caller sent it. `now` in microseconds since the Unix epoch.
    pub(crate) fn new(tracer: &Tracer, req: &Head, peer: &Peer, now: u64) -> Box<Self> {
        let (context, caller) = tracer.begin(req);
        let version = match req.version {
            Version::H10 => "1.0",
            Version::H11 => "1.1",
            Version::H2 => "2",
        };
        let mut traced = Box::new(Self {
            context,
            caller,
            state: String::new(),
            method: crate::metrics::method(req.method()),
            attributes: Vec::new(),
            original: String::new(),
            path: String::new(),
            version,
            began: now,
            proxy: None,
            wait: None,
            client: None,
            status: 0,
            error: None,
        });
        if context.sampled {
            traced.describe(req, peer);
        }
        traced
    }

    fn describe(&mut self, req: &Head, peer: &Peer) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Without a parent it says nothing.
        let state = req.get(b"tracestate").filter(|_| self.caller.is_some());
        self.state = state.map(text).unwrap_or_default();
        self.path = text(req.path());
        let https = peer.from.secure.is_some();
        let authority = text(req.authority());
        let (host, port) = crate::metrics::split(&authority);
        let remote = peer.from.remote;
        let forwarded = req.get(b"x-forwarded-for").map(text).unwrap_or_default();
        let first = forwarded.split(',').next().unwrap_or_default().trim();
        let client = if first.is_empty() { &*peer.text } else { first };
        let path = self.path.split('?').next().unwrap_or_default().to_owned();
        self.attributes = vec![
            pb::KeyValue::text("server.address", host),
            pb::KeyValue::text("http.request.method", self.method),
            pb::KeyValue::text("url.scheme", if https { "https" } else { "http" }),
            pb::KeyValue::text("network.peer.address", &*peer.text),
            pb::KeyValue::int("network.peer.port", remote.port().into()),
            pb::KeyValue::text("client.address", client),
            pb::KeyValue::text("url.path", path),
            pb::KeyValue::text("network.protocol.version", self.version),
            pb::KeyValue::text("kn.route.tag", crate::metrics::tag(req)),
        ];
        if self.method == "_OTHER" {
            self.original = text(req.method());
            self.attributes.push(pb::KeyValue::text(ORIGINAL, self.original.as_str()));
        }
        if let Some(port) = port.filter(|port| *port != if https { 443 } else { 80 }) {
            self.attributes.push(pb::KeyValue::int("server.port", port.into()));
        }
        if let Some(agent) = req.known(Known::UserAgent).filter(|agent| !agent.is_empty()) {
            self.attributes.push(pb::KeyValue::text("user_agent.original", text(agent)));
        }
    }

    /// It is somebody's load now; `waits` where there is a breaker.
    pub(crate) fn proxying(&mut self, tracer: &Tracer, waits: bool, now: u64) {
        let part = || Part { id: tracer.span_id(), began: now, ended: now };
        self.proxy = Some(part());
        self.wait = waits.then(part);
    }

    /// It has its place, or will not get one.
    pub(crate) fn waited(&mut self, now: u64) {
        if let Some(wait) = &mut self.wait {
            wait.ended = now;
        }
    }

    /// It goes to the app, which is told that this is who calls.
    pub(crate) fn forwarding(&mut self, tracer: &Tracer, req: &mut Head, now: u64) {
        let id = tracer.span_id();
        self.client = Some(Part { id, began: now, ended: now });
        req.set(b"traceparent", &Context { span: id, ..self.context }.write());
    }

    /// The app has answered, or not.
    pub(crate) fn answered(&mut self, outcome: Result<u16, (&'static str, String)>, now: u64) {
        match outcome {
            Ok(status) => self.status = status,
            Err(error) => self.error = Some(error),
        }
        self.forwarded(now);
    }

    /// The app's answer is over.
    pub(crate) fn forwarded(&mut self, now: u64) {
        if let Some(client) = &mut self.client {
            client.ended = now;
        }
    }

    /// The request is over: its spans are handed on, if its trace is kept.
    pub(crate) fn end(mut self: Box<Self>, tracer: &Tracer, status: u16, came: u64, sent: u64, now: u64) {
        if !self.context.sampled {
            return;
        }
        let (server, proxy) = (self.context.span, self.proxy.take());
        let around = proxy.as_ref().map_or(server, |proxy| proxy.id);
        let wait = self.wait.take();
        // As in the reference, where the wait's context goes on.
        let inside = wait.as_ref().map_or(around, |wait| wait.id);
        if let Some(client) = self.client.take() {
            tracer.push(Scope::Http, self.of_client(tracer, &client, inside));
        }
        if let Some(Part { id, began, ended }) = wait {
            tracer.push(
                Scope::Queue,
                self.span(id, Some(around), "kn.queueproxy.wait", pb::INTERNAL, (began, ended)),
            );
        }
        if let Some(Part { id, began, .. }) = proxy {
            tracer.push(
                Scope::Queue,
                self.span(id, Some(server), "kn.queueproxy.proxy", pb::INTERNAL, (began, now)),
            );
        }
        let name = if self.method == "_OTHER" { "HTTP" } else { self.method };
        let mut span = self.span(server, self.caller, name, pb::SERVER, (self.began, now));
        if self.caller.is_some() {
            span.flags |= PARENT_IS_REMOTE;
        }
        span.attributes = std::mem::take(&mut self.attributes);
        for (key, bytes) in [("http.request.body.size", came), ("http.response.body.size", sent)] {
            if bytes > 0 {
                span.attributes.push(pb::KeyValue::int(key, bytes as i64));
            }
        }
        span.attributes.push(pb::KeyValue::int("http.response.status_code", status.into()));
        span.status = (status >= 500).then(|| pb::Status { message: String::new(), code: pb::ERROR });
        tracer.push(Scope::Http, span);
    }

    fn of_client(&self, tracer: &Tracer, client: &Part, parent: SpanId) -> pb::Span {
        let known = self.original.is_empty();
        let name = format!("HTTP {}", if known { self.method } else { &self.original });
        let mut span = self.span(client.id, Some(parent), &name, pb::CLIENT, (client.began, client.ended));
        let app = tracer.app;
        span.attributes = vec![
            pb::KeyValue::text("http.request.method", self.method),
            pb::KeyValue::text("url.full", format!("http://127.0.0.1:{app}{}", self.path)),
            pb::KeyValue::text("server.address", "127.0.0.1"),
            pb::KeyValue::int("server.port", app.into()),
            pb::KeyValue::text("network.protocol.version", self.version),
        ];
        if !known {
            span.attributes.push(pb::KeyValue::text(ORIGINAL, self.original.as_str()));
        }
        match &self.error {
            Some((kind, why)) => {
                // Go's errors are pointers, but for this one.
                let pointer = if *kind == "http2.StreamError" { "" } else { "*" };
                span.attributes.push(pb::KeyValue::text("error.type", format!("{pointer}{kind}")));
                span.status = Some(pb::Status { message: why.clone(), code: pb::ERROR });
            }
            None => {
                span.attributes.push(pb::KeyValue::int("http.response.status_code", self.status.into()));
                if self.status >= 400 {
                    span.attributes.push(pb::KeyValue::text("error.type", self.status.to_string()));
                    span.status = Some(pb::Status { message: String::new(), code: pb::ERROR });
                }
            }
        }
        span
    }

    fn span(
        &self,
        id: SpanId,
        parent: Option<SpanId>,
        name: &str,
        kind: i32,
        (began, ended): (u64, u64),
    ) -> pb::Span {
        pb::Span {
            trace_id: self.context.trace.to_vec(),
            span_id: id.to_vec(),
            trace_state: self.state.clone(),
            parent_span_id: parent.map(|id| id.to_vec()).unwrap_or_default(),
            name: name.to_owned(),
            kind,
            start_time_unix_nano: began * 1000,
            end_time_unix_nano: ended * 1000,
            flags: SAMPLED | PARENT_IS_KNOWN,
            ..pb::Span::default()
        }
    }
}

const ORIGINAL: &str = "http.request.method_original";

/// W3C's flag, and OTLP's two about the parent.
const SAMPLED: u32 = 1;
const PARENT_IS_KNOWN: u32 = 1 << 8;
const PARENT_IS_REMOTE: u32 = 1 << 9;

/// For who reads them from a terminal.
pub(super) fn json(span: &pb::Span) -> Value {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let attributes = span.attributes.iter().map(|own| {
        let value = own.value.clone().unwrap_or_default();
        (own.key.clone(), value.string_value.map_or_else(|| json!(value.int_value), Value::String))
    });
    json!({
        "Name": span.name,
        "TraceID": digits(&span.trace_id),
        "SpanID": digits(&span.span_id),
        "Parent": digits(&span.parent_span_id),
        "Kind": span.kind,
        "StartUnixNano": span.start_time_unix_nano,
        "EndUnixNano": span.end_time_unix_nano,
        "Failed": span.status.is_some(),
        "Attributes": attributes.collect::<Map<_, _>>(),
    })
}
