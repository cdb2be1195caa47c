//! The span of an exchange: begun when its head is clean, told upstream by `traceparent`, finished with the record. An
//! exchange of a listener without tracing pays one branch. Knows no collectors.

use std::rc::Rc;
use std::sync::Arc;

use forebay_http::Known;
use forebay_model::{TagValue, Tracing};
use forebay_telemetry::Http;
use forebay_telemetry::log::{Point, Record, Text};
use forebay_telemetry::trace::{
    Attribute, Context, Kind, Parent, Reason, Sampling, Span, SpanId, decide, mark,
};

use super::record::Line;
use super::state::Exchange;
use crate::conn::HttpState;
use crate::worker::Worker;

/// What an exchange holds of its trace.
pub(crate) struct Trace {
    tracing: Arc<Tracing>,
    /// The trace and our own span in it.
    context: Context,
    parent: Option<Parent>,
    /// The span of the call upstream, if it is one of its own.
    upstream: Option<SpanId>,
    /// The trace's id for logs.
    digits: [u8; 32],
    /// Our span's id for logs.
    span_digits: [u8; 16],
}

impl Trace {
    /// Whether somebody keeps it.
    pub(super) fn is_sampled(&self) -> bool {
        self.context.sampled
    }

    /// `%TRACE_ID%`.
    pub(super) fn id(&self) -> &str {
        str::from_utf8(&self.digits).unwrap_or_default()
    }

    /// `%SPAN_ID%`.
    pub(super) fn span_id(&self) -> &str {
        str::from_utf8(&self.span_digits).unwrap_or_default()
    }
}

/// Decides whether the exchange is traced and tells whoever gets it next.
pub(super) fn begin(worker: &Worker, http: &HttpState, x: &mut Exchange) {
    if let Some(tracing) = &http.manager.tracing {
        x.trace = traced(worker, http, tracing, x).map(Box::new);
    }
}

fn traced(worker: &Worker, http: &HttpState, tracing: &Arc<Tracing>, x: &mut Exchange) -> Option<Trace> {
    let sampled = is_sampled(http, tracing, x);
    let mut parent = None;
    let mut context = Context { trace: [0; 16], span: id(worker), sampled };
    match x.req.get(b"traceparent") {
        // What cannot be read is left as it is, and there is no span: Envoy's way.
        Some(value) => {
            let caller = Context::read(value)?;
            context.trace = caller.trace;
            context.sampled &= caller.sampled;
            parent = Some(Parent { id: caller.span, remote: true });
        }
        None => {
            let (low, high) = context.trace.split_at_mut(8);
            low.copy_from_slice(&id(worker));
            high.copy_from_slice(&id(worker));
        }
    }
    let upstream = (tracing.upstream_span && context.sampled).then(|| id(worker));
    if tracing.propagates {
        let told = Context { span: upstream.unwrap_or(context.span), ..context };
        x.req.set(b"traceparent", &told.write());
    }
    Some(Trace {
        tracing: tracing.clone(),
        context,
        parent,
        upstream,
        digits: context.trace_digits(),
        span_digits: context.span_digits(),
    })
}

fn is_sampled(http: &HttpState, tracing: &Tracing, x: &mut Exchange) -> bool {
    let sampling = Sampling {
        client: tracing.client_sampling,
        random: tracing.random_sampling,
        overall: tracing.overall_sampling,
    };
    let request_id = x.req.known(Known::XRequestId).unwrap_or_default();
    let asks = x.req.get(b"x-client-trace-id").is_some();
    let forced = x.req.get(b"x-envoy-force-trace").is_some()
        && x.req.get(b"x-envoy-internal").is_some_and(|value| value == b"true");
    let reason = decide(sampling, request_id, asks, forced);
    let mut marked = request_id.to_vec();
    mark(&mut marked, reason);
    if marked != request_id {
        x.req.set(Known::XRequestId.name(), &marked);
    }
    http.stats.inc(match reason {
        Reason::No => Http::TracingNotTraceable,
        Reason::Sampled => Http::TracingRandomSampling,
        Reason::Client => Http::TracingClientEnabled,
        Reason::Service => Http::TracingServiceForced,
    });
    reason != Reason::No
}

/// Eight random bytes, never all zero.
fn id(worker: &Worker) -> SpanId {
    worker.rng.next_u64().max(1).to_be_bytes()
}

/// Hands the finished span over, if somebody keeps the trace.
pub(super) fn finish(worker: &Rc<Worker>, line: &Line<'_>) {
    let Some(trace) = &line.exchange().trace else { return };
    if !trace.context.sampled {
        return;
    }
    let collector = &trace.tracing.collector;
    if let Some(upstream) = egress(trace, line) {
        worker.spans.push(worker, collector, upstream);
    }
    worker.spans.push(worker, collector, ingress(trace, line));
}

fn ingress(trace: &Trace, line: &Line<'_>) -> Span {
    let x = line.exchange();
    let mut tags: Vec<Attribute> = Vec::with_capacity(20);
    let mut tag = |name: &'static str, value: String| tags.push((name.into(), value));
    let header = |name: &str| line.request_header(name).map(text);
    if let Some(request_id) = header("x-request-id") {
        tag("guid:x-request-id", request_id);
    }
    tag("http.url", url(trace, line));
    tag("http.method", text(x.req.method()));
    tag("downstream_cluster", header("x-envoy-downstream-service-cluster").unwrap_or_else(missing));
    tag("user_agent", header("user-agent").unwrap_or_else(missing));
    tag("http.protocol", x.req.version.as_str().to_owned());
    tag("peer.address", x.peer.map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_else(missing));
    if let Some(client) = header("x-client-trace-id") {
        tag("guid:x-client-trace-id", client);
    }
    let is_grpc = header("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
    if is_grpc {
        tag("grpc.path", text(x.req.path()));
        tag("grpc.authority", text(x.req.authority()));
        tag("grpc.content_type", header("content-type").unwrap_or_default());
        if let Some(timeout) = header("grpc-timeout") {
            tag("grpc.timeout", timeout);
        }
    }
    tag("request_size", x.bytes_in.to_string());
    tag("response_size", x.bytes_out.to_string());
    let mut failed = common(line, x.status, &mut tags);
    failed |= grpc_status(line, &mut tags);
    end(trace, line, failed, &mut tags);
    let end = line.started() + line.took();
    let events = if trace.tracing.verbose { events(line, true) } else { Vec::new() };
    Span {
        trace: trace.context.trace,
        id: trace.context.span,
        parent: trace.parent,
        state: state(line),
        name: "ingress".to_owned(),
        kind: Kind::Server,
        start: line.started(),
        end,
        attributes: tags,
        events,
        failed,
    }
}

/// The call upstream as a span of its own: the last of them, where there were more.
fn egress(trace: &Trace, line: &Line<'_>) -> Option<Span> {
    let x = line.exchange();
    let (id, upstream) = (trace.upstream?, x.upstream?);
    let mut tags: Vec<Attribute> = Vec::with_capacity(12);
    let protocol = line.text(Text::UpstreamProtocol);
    tags.push(("http.protocol".into(), protocol.map_or_else(missing, str::to_owned)));
    tags.push(("upstream_address".into(), upstream.to_string()));
    tags.push(("peer.address".into(), upstream.to_string()));
    let status = if x.times.first_byte.is_some() { x.status } else { 0 };
    let failed = common(line, status, &mut tags);
    end(trace, line, failed, &mut tags);
    let begun = x.times.sent.unwrap_or_default().saturating_sub(x.times.connect.unwrap_or_default());
    Some(Span {
        trace: trace.context.trace,
        id,
        parent: Some(Parent { id: trace.context.span, remote: false }),
        state: state(line),
        name: format!("router {} egress", x.cluster.as_deref().unwrap_or_default()),
        kind: Kind::Client,
        start: line.started() + begun,
        end: line.started() + line.took(),
        attributes: tags,
        events: if trace.tracing.verbose { events(line, false) } else { Vec::new() },
        failed,
    })
}

/// What both spans tell; whether it is a failure.
fn common(line: &Line<'_>, status: u16, tags: &mut Vec<Attribute>) -> bool {
    let x = line.exchange();
    tags.push(("component".into(), "proxy".to_owned()));
    if let Some(cluster) = &x.cluster {
        tags.push(("upstream_cluster".into(), cluster.to_string()));
        tags.push(("upstream_cluster.name".into(), cluster.to_string()));
    }
    tags.push(("http.status_code".into(), status.to_string()));
    let flags: Vec<&str> = x.flags.iter().map(|flag| flag.short()).collect();
    tags.push(("response_flags".into(), if flags.is_empty() { missing() } else { flags.join(",") }));
    status == 0 || status >= 500
}

/// gRPC's own verdict, which stands in a trailer or, where there is no body, in a header.
fn grpc_status(line: &Line<'_>, tags: &mut Vec<Attribute>) -> bool {
    let answered = |name: &str| line.response_trailer(name).or_else(|| line.response_header(name)).map(text);
    let Some(status) = answered("grpc-status") else { return false };
    // Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable, DataLoss.
    let failed = matches!(status.as_str(), "2" | "4" | "12" | "13" | "14" | "15");
    tags.push(("grpc.status_code".into(), status));
    if let Some(message) = answered("grpc-message") {
        tags.push(("grpc.message".into(), message));
    }
    failed
}

fn end(trace: &Trace, line: &Line<'_>, failed: bool, tags: &mut Vec<Attribute>) {
    if failed {
        tags.push(("error".into(), "true".to_owned()));
    }
    for tag in &trace.tracing.tags {
        let value = match &tag.value {
            TagValue::Literal(value) => value.to_string(),
            TagValue::Header { name, default } => match line.request_header(name) {
                Some(value) => text(value),
                None if default.is_empty() => continue,
                None => default.to_string(),
            },
        };
        tags.push((tag.name.to_string().into(), value));
    }
}

/// Scheme, host and as much of the path as is told, the one from before a rewrite.
fn url(trace: &Trace, line: &Line<'_>) -> String {
    let x = line.exchange();
    let path = line.request_header("x-envoy-original-path").unwrap_or(x.req.path());
    let path = path.get(..trace.tracing.max_path_tag_length).unwrap_or(path);
    format!("{}://{}{}", x.req.scheme.as_str(), text(x.req.authority()), text(path))
}

fn events(line: &Line<'_>, downstream: bool) -> Vec<(u64, &'static str)> {
    let points = [
        (true, Point::RequestEnd, "last_downstream_rx_byte_received"),
        (false, Point::UpstreamRequestStart, "first_upstream_tx_byte_sent"),
        (false, Point::UpstreamRequestEnd, "last_upstream_tx_byte_sent"),
        (false, Point::UpstreamResponseStart, "first_upstream_rx_byte_received"),
        (false, Point::UpstreamResponseEnd, "last_upstream_rx_byte_received"),
        (true, Point::ResponseStart, "first_downstream_tx_byte_sent"),
        (true, Point::ResponseEnd, "last_downstream_tx_byte_sent"),
    ];
    let shown = points.into_iter().filter(|(client, ..)| downstream || !client);
    shown.filter_map(|(_, point, name)| Some((line.started() + line.at(point)?, name))).collect()
}

fn state(line: &Line<'_>) -> String {
    line.request_header("tracestate").map(text).unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What stands where there is nothing.
fn missing() -> String {
    "-".to_owned()
}
