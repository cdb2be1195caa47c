//! Finished spans on their way to collectors: one bounded queue a collector and worker, sent in batches by the worker's own
//! connections. A collector that is slow, absent or refuses costs spans, counted, and never a request. Knows no requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use forebay_http::Head;
use forebay_model::{Collector, Transport};
use forebay_telemetry::trace::{EXPORT_PATH, Span, Speaker, encode};

use crate::call::{Answer, call};
use crate::worker::Worker;

/// So many spans are sent at once without waiting for more (Envoy's `tracing.opentelemetry.min_flush_spans`).
const ENOUGH: usize = 5;
/// Fewer are sent after so many microseconds (Envoy's `tracing.opentelemetry.flush_interval_ms`).
const WAIT: u64 = 5_000_000;
/// Spans that wait for one collector: some MiB at most.
const MOST: usize = 1024;
/// Spans in one message: below the 4 MiB that gRPC servers take by default.
const BATCH: usize = 512;

/// What became of spans, over all workers. Written by the workers, read by the admin interface.
#[derive(Debug, Default)]
pub struct SpanCounts {
    /// Taken by a collector.
    pub sent: AtomicU64,
    /// Lost: the queue was full, or the collector did not take them.
    pub dropped: AtomicU64,
    /// Sent because time was up.
    pub timer_flushed: AtomicU64,
}

/// A worker's queues.
pub(crate) struct Spans {
    queues: RefCell<Vec<Rc<Queue>>>,
    counts: Arc<SpanCounts>,
    speaker: Arc<Speaker>,
}

struct Queue {
    collector: Arc<Collector>,
    waiting: RefCell<Vec<Span>>,
    /// When the first of those came, in the worker's microseconds.
    since: Cell<u64>,
    sending: Cell<bool>,
}

impl Spans {
    pub(crate) fn new(counts: Arc<SpanCounts>, speaker: Arc<Speaker>) -> Self {
        Self { queues: RefCell::default(), counts, speaker }
    }

    /// Takes a span over.
    pub(crate) fn push(&self, worker: &Rc<Worker>, collector: &Arc<Collector>, span: Span) {
        let queue = self.queue(collector);
        {
            let mut waiting = queue.waiting.borrow_mut();
            if waiting.len() >= MOST {
                self.counts.dropped.fetch_add(1, Relaxed);
                return;
            }
            if waiting.is_empty() {
                queue.since.set(worker.clock.now().0);
            }
            waiting.push(span);
            if waiting.len() < ENOUGH {
                return;
            }
        }
        start(worker, &queue);
    }

    /// Sends what has waited long enough. Once a second.
    pub(crate) fn tick(&self, worker: &Rc<Worker>) {
        let now = worker.clock.now().0;
        // Those of collectors that the configuration no longer has go when they are empty.
        self.queues.borrow_mut().retain(|queue| {
            Rc::strong_count(queue) > 1
                || !queue.waiting.borrow().is_empty()
                || now < queue.since.get() + IDLE
        });
        let due: Vec<Rc<Queue>> =
            self.queues.borrow().iter().filter(|queue| queue.is_due(now)).cloned().collect();
        for queue in due {
            self.counts.timer_flushed.fetch_add(1, Relaxed);
            start(worker, &queue);
        }
    }

    fn queue(&self, collector: &Arc<Collector>) -> Rc<Queue> {
        let mut queues = self.queues.borrow_mut();
        // An update of the listener brings an equal collector anew.
        let same =
            |queue: &&Rc<Queue>| Arc::ptr_eq(&queue.collector, collector) || *queue.collector == **collector;
        if let Some(queue) = queues.iter().find(same) {
            return queue.clone();
        }
        let queue = Rc::new(Queue {
            collector: collector.clone(),
            waiting: RefCell::default(),
            since: Cell::new(0),
            sending: Cell::new(false),
        });
        queues.push(queue.clone());
        queue
    }
}

/// A queue without spans for so many microseconds is forgotten.
const IDLE: u64 = 60_000_000;

impl Queue {
    fn is_due(&self, now: u64) -> bool {
        !self.sending.get() && !self.waiting.borrow().is_empty() && now >= self.since.get() + WAIT
    }
}

/// Sends what waits, unless that is under way already: then what comes meanwhile goes with the next batch.
fn start(worker: &Rc<Worker>, queue: &Rc<Queue>) {
    if queue.sending.replace(true) {
        return;
    }
    let (worker, queue) = (worker.clone(), queue.clone());
    tokio::task::spawn_local(async move {
        loop {
            let batch: Vec<Span> = {
                let mut waiting = queue.waiting.borrow_mut();
                let n = waiting.len().min(BATCH);
                waiting.drain(..n).collect()
            };
            let n = batch.len() as u64;
            let counts = &worker.spans.counts;
            if send(&worker, &queue.collector, batch).await {
                counts.sent.fetch_add(n, Relaxed);
            } else {
                counts.dropped.fetch_add(n, Relaxed);
            }
            queue.since.set(worker.clock.now().0);
            if queue.waiting.borrow().len() < ENOUGH {
                break;
            }
        }
        queue.sending.set(false);
    });
}

/// Whether the collector took them.
async fn send(worker: &Rc<Worker>, collector: &Collector, spans: Vec<Span>) -> bool {
    let Some(state) = worker.config.cluster(collector.cluster) else { return false };
    let message = encode(&worker.spans.speaker, &collector.service_name, spans);
    let (head, body) = request(collector, message);
    match call(worker, &state, &head, &body, collector.timeout).await {
        Ok(answer) => accepted(collector, &answer),
        Err(why) => {
            tracing::debug!(?why, "a trace collector did not answer");
            false
        }
    }
}

fn request(collector: &Collector, message: Vec<u8>) -> (Head, Vec<u8>) {
    const AGENT: &[u8] = concat!("OTel-OTLP-Exporter-Forebay/", env!("CARGO_PKG_VERSION")).as_bytes();
    let mut head = Head::default();
    match &collector.transport {
        Transport::Grpc { authority, metadata } => {
            head.set_request(b"POST", EXPORT_PATH.as_bytes(), authority.as_bytes());
            head.push(b"te", b"trailers");
            if !collector.timeout.is_zero() {
                head.push(b"grpc-timeout", format!("{}m", collector.timeout.as_millis()).as_bytes());
            }
            head.push(b"content-type", b"application/grpc");
            head.push(b"user-agent", AGENT);
            metadata.iter().for_each(|(name, value)| head.push(name.as_bytes(), value.as_bytes()));
            // Not compressed, and how long.
            let mut framed = vec![0];
            framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
            framed.extend_from_slice(&message);
            (head, framed)
        }
        Transport::Http { authority, path, headers } => {
            head.set_request(b"POST", path.as_bytes(), authority.as_bytes());
            head.push(b"content-type", b"application/x-protobuf");
            head.push(b"user-agent", AGENT);
            headers.iter().for_each(|(name, value)| head.push(name.as_bytes(), value.as_bytes()));
            (head, message)
        }
    }
}

fn accepted(collector: &Collector, answer: &Answer) -> bool {
    match collector.transport {
        Transport::Http { .. } => (200..300).contains(&answer.head.status),
        Transport::Grpc { .. } => {
            let status = answer.trailers.as_ref().and_then(|trailers| trailers.get(b"grpc-status"));
            answer.head.status == 200
                && status.or_else(|| answer.head.get(b"grpc-status")) == Some(b"0".as_slice())
        }
    }
}
