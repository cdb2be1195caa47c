//! What is counted of requests, for Prometheus and for OTLP: the instruments of Knative's queue-proxy by today's names and by those of before its move to
//! OpenTelemetry. Owns counts and labels; knows no connections. Nothing of it runs where nobody asked for it.

mod histogram;
mod otlp;
mod text;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;

use forebay_http::{Head, Version};

use crate::config::Config;
use histogram::Histogram;
pub(crate) use text::CONTENT_TYPE;

/// Combinations of labels of one instrument, as OpenTelemetry's default: `Host` is the client's to say, and memory is ours.
const SERIES: usize = 2000;

/// The label of everything beyond [`SERIES`].
const OVERFLOW: &str = "otel_metric_overflow=\"true\"";

/// Seconds (serving: `latencyBounds`; the same are OpenTelemetry's for HTTP).
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Bytes, OpenTelemetry's default.
const BYTES: &[f64] =
    &[0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];
/// Milliseconds (serving 1.18: `defaultLatencyDistribution`).
const MILLISECONDS: &[f64] = &[
    5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0, 600.0,
    700.0, 800.0, 900.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 50000.0, 100_000.0,
];

/// The instruments of one app.
pub(crate) struct Metrics {
    server: RefCell<Series<Exchanged>>,
    client: RefCell<Series<Exchanged>>,
    invocations: RefCell<Series<Histogram>>,
    /// The old names' requests as clients saw them, and as the app did.
    requests: RefCell<Series<Histogram>>,
    app_requests: RefCell<Series<Histogram>>,
    /// Requests that ran or waited when the last one came to the app.
    depth: Cell<Option<u32>>,
    /// `target_info`'s labels.
    target: String,
    /// Labels that every old series has.
    identity: String,
    revision: String,
    service: String,
    app: u16,
    scratch: RefCell<String>,
}

/// How long and how large.
struct Exchanged {
    duration: Histogram,
    request: Histogram,
    response: Histogram,
}

impl Default for Exchanged {
    fn default() -> Self {
        Self {
            duration: Histogram::new(SECONDS),
            request: Histogram::new(BYTES),
            response: Histogram::new(BYTES),
        }
    }
}

/// By labels, in the order in which they are shown.
struct Series<T>(BTreeMap<Box<str>, T>);

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Series<T> {
    fn with(&mut self, labels: &str, new: impl FnOnce() -> T, record: impl FnOnce(&mut T)) {
        let labels = if self.0.len() < SERIES || self.0.contains_key(labels) { labels } else { OVERFLOW };
        match self.0.get_mut(labels) {
            Some(known) => record(known),
            None => record(self.0.entry(labels.into()).or_insert_with(new)),
        }
    }
}

/// The labels of one request, kept while it runs: what it says of itself, before anything is rewritten.
#[derive(Default)]
pub(crate) struct Labels {
    method: &'static str,
    /// Of the instruments of HTTP, those behind the status.
    server: String,
    client: String,
    tag: String,
    /// In microseconds.
    began: u64,
}

/// What became of a request on its way to the app.
pub(crate) enum Forwarded {
    /// The app answered with this status.
    Answered(u16),
    /// It did not; Go's type of the error.
    Failed(&'static str),
}

const HTTP_SCOPE: &str = "otel_scope_name=\"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp\",otel_scope_schema_url=\"\",otel_scope_version=\"0.69.0\"";
const QUEUE_SCOPE: &str =
    "otel_scope_name=\"knative.dev/serving/pkg/queue\",otel_scope_schema_url=\"\",otel_scope_version=\"\"";

impl Metrics {
    pub(crate) fn new(config: &Config) -> Self {
        let id = &config.identity;
        let pod = escaped(&config.pod_name);
        let service = escaped(config.telemetry_name());
        let [namespace, own, configuration, revision] =
            [&id.namespace, &id.service, &id.configuration, &id.revision].map(|text| escaped(text));
        Self {
            server: RefCell::default(),
            client: RefCell::default(),
            invocations: RefCell::default(),
            requests: RefCell::default(),
            app_requests: RefCell::default(),
            depth: Cell::new(None),
            target: format!(
                "container_name=\"queue-proxy\",k8s_namespace_name=\"{namespace}\",k8s_pod_name=\"{pod}\",kn_configuration_name=\"{configuration}\",kn_revision_name=\"{revision}\",kn_service_name=\"{own}\",service_instance_id=\"{pod}\",service_name=\"{service}\",service_version=\"unknown\",telemetry_sdk_language=\"rust\",telemetry_sdk_name=\"forebay\",telemetry_sdk_version=\"{}\"",
                env!("CARGO_PKG_VERSION")
            ),
            identity: format!(
                "configuration_name=\"{configuration}\",container_name=\"queue-proxy\",namespace_name=\"{namespace}\",pod_name=\"{}\"",
                escaped(&id.pod)
            ),
            revision: format!("revision_name=\"{revision}\""),
            service: format!("service_name=\"{own}\""),
            app: config.app.port(),
            scratch: RefCell::default(),
        }
    }

    /// A request that is no probe has come; one that an old ingress has rewritten has no tag in the reference.
    pub(crate) fn began(&self, req: &Head, https: bool, tagged: bool, now: u64) -> Box<Labels> {
        let mut x = Box::<Labels>::default();
        x.began = now;
        x.method = method(req.method());
        let version = match req.version {
            Version::H10 => "1.0",
            Version::H11 => "1.1",
            Version::H2 => "2",
        };
        let scheme = if https { "https" } else { "http" };
        let authority = String::from_utf8_lossy(req.authority());
        let (host, port) = split(&authority);
        x.tag = escaped(&tag(req));
        let shown = if tagged { format!("kn_route_tag=\"{}\",", x.tag) } else { String::new() };
        let protocol = format!("network_protocol_name=\"http\",network_protocol_version=\"{version}\"");
        // Writing to a string does not fail.
        let _ = write!(x.server, "{shown}{protocol},{HTTP_SCOPE},server_address=\"{}\",", escaped(host));
        if let Some(port) = port.filter(|port| *port != if https { 443 } else { 80 }) {
            let _ = write!(x.server, "server_port=\"{port}\",");
        }
        let _ = write!(x.server, "url_scheme=\"{scheme}\"");
        let app = self.app;
        let _ = write!(
            x.client,
            "{shown}{protocol},{HTTP_SCOPE},server_address=\"127.0.0.1\",server_port=\"{app}\",url_scheme=\"http\""
        );
        x
    }

    /// A request is about to be forwarded, with so many that run or wait.
    pub(crate) fn entered(&self, depth: Option<u32>) {
        if depth.is_some() {
            self.depth.set(depth);
        }
    }

    /// The app has answered, or not; `took` in microseconds.
    pub(crate) fn forwarded(&self, x: &Labels, outcome: &Forwarded, took: u64, sent: u64) {
        let mut text = self.scratch.borrow_mut();
        text.clear();
        let _ = match outcome {
            Forwarded::Answered(status) => write!(
                text,
                "http_request_method=\"{}\",http_response_status_code=\"{status}\",{}",
                x.method, x.client
            ),
            Forwarded::Failed(error) => {
                write!(text, "error_type=\"{error}\",http_request_method=\"{}\",{}", x.method, x.client)
            }
        };
        self.client.borrow_mut().with(&text, Exchanged::default, |all| {
            all.duration.record(took as f64 / 1e6);
            all.request.record(sent as f64);
        });
    }

    /// The app's part of a request is over.
    pub(crate) fn invoked(&self, x: &Labels, status: u16, took: u64) {
        let mut text = self.scratch.borrow_mut();
        text.clear();
        let _ = write!(text, "http_response_status_code=\"{status}\",{QUEUE_SCOPE}");
        let seconds = || Histogram::new(SECONDS);
        self.invocations.borrow_mut().with(&text, seconds, |all| all.record(took as f64 / 1e6));
        self.old(&mut text, &x.tag, status);
        let millis = || Histogram::new(MILLISECONDS);
        self.app_requests.borrow_mut().with(&text, millis, |all| all.record(took as f64 / 1e3));
    }

    /// A request is over.
    pub(crate) fn served(&self, x: &Labels, status: u16, now: u64, came: u64, sent: u64) {
        let took = now.saturating_sub(x.began);
        let mut text = self.scratch.borrow_mut();
        text.clear();
        let _ = write!(
            text,
            "http_request_method=\"{}\",http_response_status_code=\"{status}\",{}",
            x.method, x.server
        );
        self.server.borrow_mut().with(&text, Exchanged::default, |all| {
            all.duration.record(took as f64 / 1e6);
            all.request.record(came as f64);
            all.response.record(sent as f64);
        });
        self.old(&mut text, &x.tag, status);
        let millis = || Histogram::new(MILLISECONDS);
        self.requests.borrow_mut().with(&text, millis, |all| all.record(took as f64 / 1e3));
    }

    /// The labels of before OpenTelemetry.
    fn old(&self, text: &mut String, tag: &str, status: u16) {
        text.clear();
        let Self { identity, revision, service, .. } = self;
        let _ = write!(
            text,
            "{identity},response_code=\"{status}\",response_code_class=\"{}xx\",{revision},route_tag=\"{tag}\",{service}",
            status / 100
        );
    }
}

/// serving: `pkg/queue/routetag_handler.go`.
pub(crate) fn tag(req: &Head) -> String {
    let said = |name| req.get(name).map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default();
    let (tag, default) = (said(b"knative-serving-tag"), said(b"knative-serving-default-route"));
    match (tag.is_empty(), default.as_str()) {
        (true, "") => "kn:disabled".to_owned(),
        (true, _) => "kn:default".to_owned(),
        (false, "true") => "kn:undefined".to_owned(),
        (false, _) => tag,
    }
}

/// Methods that nobody knows are one, or clients could make up as many as they like.
pub(crate) fn method(method: &[u8]) -> &'static str {
    const KNOWN: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    KNOWN.into_iter().find(|known| known.as_bytes() == method).unwrap_or("_OTHER")
}

/// Host and port of an authority.
pub(crate) fn split(authority: &str) -> (&str, Option<u16>) {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let rest = authority.get(end..).unwrap_or_default();
    match rest.rsplit_once(':') {
        Some((before, port)) => {
            let host = authority.get(..end + before.len()).unwrap_or(authority);
            (host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok())
        }
        None => (authority.trim_start_matches('[').trim_end_matches(']'), None),
    }
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
