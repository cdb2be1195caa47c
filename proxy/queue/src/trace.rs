//! Spans of requests, as the reference makes them: one of the server, one of the proxying, one of the wait where there is a breaker, one
//! of the request to the app. Owns which traces are kept and what waits for the collector; knows no connections. Nothing of it
//! runs where nobody asked for it.

mod record;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use forebay_base::rng::Rng;
use forebay_http::Head;
use forebay_report::otlp as pb;
use forebay_telemetry::trace::{Context, SpanId};
use prost::Message;
use tokio::sync::Notify;

use crate::config::{Config, Sampler, TracesExport};
use crate::otlp::{Collector, resource};

pub(crate) use record::Traced;

/// The batch processor's defaults: spans that may wait, and how many are sent at once.
const MOST: usize = 2048;
const BATCH: usize = 512;

/// Who says which part of a request's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The server's and the client's spans.
    Http,
    /// Knative's own.
    Queue,
}

impl Scope {
    fn message(self) -> pb::Scope {
        let (name, version) = match self {
            Scope::Http => ("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.69.0"),
            Scope::Queue => ("knative.dev/serving/pkg/queue", ""),
        };
        pb::Scope { name: name.to_owned(), version: version.to_owned() }
    }
}

/// Makes spans and hands them on.
pub(crate) struct Tracer {
    sampler: Sampler,
    rng: Rng,
    /// The app's port, which is in each request's URL.
    app: u16,
    waiting: RefCell<Vec<(Scope, pb::Span)>>,
    /// Spans that found no room since that was told last.
    lost: Cell<u64>,
    enough: Notify,
    export: TracesExport,
    collector: Option<Collector>,
    resource: pb::Resource,
}

impl Tracer {
    pub(crate) fn new(export: &TracesExport, config: &Config) -> Self {
        Self {
            sampler: export.sampler,
            rng: Rng::from_entropy(),
            app: config.app.port(),
            waiting: RefCell::default(),
            lost: Cell::new(0),
            enough: Notify::new(),
            export: export.clone(),
            collector: export.target.as_ref().map(|target| Collector::new(target, pb::EXPORT_PATH, config)),
            resource: resource(config),
        }
    }

    /// The context of a request's server span: whose trace it is part of, and whether that is kept.
    fn begin(&self, req: &Head) -> (Context, Option<SpanId>) {
        let parent = req.get(b"traceparent").and_then(read);
        let trace = parent.map_or_else(|| self.trace_id(), |parent| parent.trace);
        let sampled = self.sampler.keeps(&trace, parent.map(|parent| parent.sampled));
        (Context { trace, span: self.span_id(), sampled }, parent.map(|parent| parent.span))
    }

    fn trace_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.span_id());
        id[8..].copy_from_slice(&self.span_id());
        id
    }

    fn span_id(&self) -> SpanId {
        // Of zeros it would be none.
        self.rng.next_u64().max(1).to_be_bytes()
    }

    fn push(&self, scope: Scope, span: pb::Span) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= MOST {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        waiting.push((scope, span));
        if waiting.len() == BATCH {
            self.enough.notify_one();
        }
    }

    /// Sends batches for ever.
    pub(crate) async fn run(self: Rc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.export.every) => {}
                () = self.enough.notified() => {}
            }
            self.flush().await;
        }
    }

    /// Sends what waits. What a collector does not take waits for the next time, as long as there is room.
    pub(crate) async fn flush(&self) {
        if let lost @ 1.. = self.lost.take() {
            tracing::warn!("traces export: {lost} spans found no room");
        }
        loop {
            let batch: Vec<(Scope, pb::Span)> = {
                let mut waiting = self.waiting.borrow_mut();
                let count = waiting.len().min(BATCH);
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            let Some(collector) = &self.collector else {
                print(&batch);
                continue;
            };
            if let Err(why) = collector.send(self.message(&batch)).await {
                tracing::error!("traces export: {why}");
                let mut waiting = self.waiting.borrow_mut();
                let room = MOST.saturating_sub(waiting.len());
                waiting.splice(..0, batch.into_iter().take(room));
                return;
            }
        }
    }

    fn message(&self, batch: &[(Scope, pb::Span)]) -> Vec<u8> {
        let of = |scope| {
            let spans: Vec<pb::Span> =
                batch.iter().filter(|(own, _)| *own == scope).map(|(_, span)| span.clone()).collect();
            (!spans.is_empty()).then(|| pb::ScopeSpans { scope: Some(scope.message()), spans })
        };
        let scope_spans = [of(Scope::Http), of(Scope::Queue)].into_iter().flatten().collect();
        let all = pb::ResourceSpans { resource: Some(self.resource.clone()), scope_spans };
        pb::ExportRequest { resource_spans: vec![all] }.encode_to_vec()
    }
}

/// A caller's context by Go's rules, which are stricter than Envoy's: small letters, no version `ff`.
fn read(value: &[u8]) -> Option<Context> {
    let good = !value.starts_with(b"ff") && !value.iter().any(u8::is_ascii_uppercase);
    good.then(|| Context::read(value)).flatten()
}

/// One line of JSON for each, on standard output.
fn print(batch: &[(Scope, pb::Span)]) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    for (_, span) in batch {
        // Nobody is left to tell if standard output is closed.
        let _ = writeln!(out, "{}", record::json(span));
    }
}

#[cfg(test)]
mod tests;
