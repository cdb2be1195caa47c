//! Downstream connections: filter chains as one worker has them, the choice of protocol. Knows no requests.

mod arrive;
mod front;
mod h1;
mod h2;
mod handshake;
mod leaves;
mod secure;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, ready};
use std::time::Duration;

use forebay_http::Head;
use forebay_http::Known;
use forebay_http::h1::Limits;
use forebay_http::path::Rules;
use forebay_model::{Codec, FilterChain, HeaderCase, HttpManager, LogFilter, RouteSource, ServerHeader};
use forebay_net::{Meter, Phase, Sniff, Stream, sniff};
use forebay_route::Table;
use forebay_telemetry::HttpStats;
use forebay_telemetry::log::LogWriter;

pub(crate) use front::{Front, configure};
pub(crate) use h2::Streams;
pub(crate) use secure::Secure;

use leaves::Leaves;

use crate::bytes::Bytes;
use crate::filters::Chain;
use crate::worker::Worker;

/// Bytes read and dropped after the last word, so that a client still sending sees it instead of a reset.
const LINGER: usize = 256 * 1024;

/// A filter chain as one worker has it: what its connections hold. It outlives its configuration's updates.
pub(crate) struct Listening {
    chain: RefCell<Arc<FilterChain>>,
    /// What that is called, for logs.
    chain_name: RefCell<Rc<str>>,
    http: RefCell<Rc<HttpState>>,
    /// The configuration has no such chain any more: its connections end as soon as it is polite.
    left: Cell<bool>,
    /// What its listener says of draining: whether it is an inbound one, and whether clients are told to go while health
    /// checks are failed.
    inbound: Cell<bool>,
    drains_when_failing: Cell<bool>,
}

/// How requests of a listener are treated.
pub(crate) struct HttpState {
    pub(crate) manager: Arc<HttpManager>,
    pub(crate) stats: HttpStats,
    pub(crate) logs: Vec<AccessLog>,
    /// Whether a log line may ask for the route's name.
    pub(crate) logs_routes: bool,
    /// Whether somebody asks for a response's trailers when it is over.
    pub(crate) keeps_trailers: bool,
    /// Counts what its clients' connections carry.
    bytes: Rc<dyn Meter>,
    pub(crate) path_rules: Rules,
    pub(crate) limits: Limits,
    /// `None` where a request meets no filter.
    pub(crate) filters: Option<Rc<Chain>>,
    inline: Option<Rc<Table>>,
}

/// A worker's end of an access log.
pub(crate) struct AccessLog {
    pub(crate) writer: RefCell<LogWriter>,
    /// Which requests it has; all without one.
    pub(crate) filter: Option<LogFilter>,
}

impl Listening {
    /// What is in force now.
    #[inline]
    pub(crate) fn http(&self) -> Rc<HttpState> {
        self.http.borrow().clone()
    }

    /// The table requests are routed by; `None` until it has come.
    #[inline]
    pub(crate) fn table(&self, worker: &Worker) -> Option<Rc<Table>> {
        let http = self.http.borrow();
        match &http.manager.routes {
            RouteSource::Rds(name) => worker.config.table(name),
            RouteSource::Inline(_) => http.inline.clone(),
        }
    }

    /// Its settings as they are now.
    fn chain(&self) -> Arc<FilterChain> {
        self.chain.borrow().clone()
    }

    #[inline]
    pub(crate) fn chain_name(&self) -> Rc<str> {
        self.chain_name.borrow().clone()
    }

    /// Whether a drain tells all connections at once, asked or not.
    fn goes_at_once(&self, worker: &Worker) -> bool {
        worker.drain.is_immediate(self.inbound.get())
    }

    /// Whether the next response tells its client to go elsewhere: the process drains or says that it is not well, or the
    /// configuration has no such chain any more.
    #[inline]
    pub(crate) fn sends_away(&self, worker: &Worker) -> bool {
        self.left.get()
            || worker.drain.sends_away(self.inbound.get(), &worker.rng)
            || (worker.failing.load(Ordering::Relaxed) && self.drains_when_failing.get())
    }
}

impl HttpState {
    fn new(worker: &Worker, manager: &Arc<HttpManager>, before: Option<&HttpState>) -> Rc<Self> {
        let same = before.filter(|b| b.manager.stat_prefix == manager.stat_prefix);
        let stats = same.map_or_else(|| worker.stats.http(&manager.stat_prefix), |b| b.stats.clone());
        let mut logs_routes = false;
        let mut keeps_trailers = manager.tracing.is_some();
        let mut logs = Vec::new();
        for config in &manager.access_logs {
            logs_routes |= config.format.asks_for_route();
            keeps_trailers |= config.format.asks_for_trailers()
                || config.filter.as_ref().is_some_and(LogFilter::asks_for_trailers);
            match worker.log_files.open(&*config.path) {
                Ok(file) => logs.push(AccessLog {
                    writer: RefCell::new(file.writer(config.format.clone())),
                    filter: config.filter.clone(),
                }),
                // Requests are served without it.
                Err(error) => tracing::warn!(%error, "an access log is not written"),
            }
        }
        let inline = match &manager.routes {
            RouteSource::Inline(table) => Some(Rc::new((**table).clone())),
            RouteSource::Rds(_) => None,
        };
        Rc::new(Self {
            bytes: Bytes::of_clients(&stats),
            stats,
            logs,
            logs_routes,
            keeps_trailers,
            path_rules: crate::exchange::path_rules(manager),
            limits: Limits {
                head_bytes: manager.max_request_headers_kb as usize * 1024,
                headers: manager.max_headers_count as usize,
                http10: manager.accept_http_10,
                connect: true,
                keeps_case: manager.header_case == HeaderCase::AsWritten,
            },
            filters: Chain::new(&manager.filters),
            inline,
            manager: manager.clone(),
        })
    }

    /// The `server` header of a response.
    pub(crate) fn server_header(&self, res: &mut Head) {
        match &self.manager.server_header {
            ServerHeader::Overwrite(name) => res.set_known(Known::Server, name.as_bytes()),
            ServerHeader::AppendIfAbsent(name) if !res.has(Known::Server) => {
                res.push_known(Known::Server, name.as_bytes())
            }
            ServerHeader::AppendIfAbsent(_) | ServerHeader::PassThrough => {}
        }
    }

    /// Hands buffered log lines to their files' threads.
    pub(crate) fn flush_logs(&self) {
        self.logs.iter().for_each(|log| log.writer.borrow_mut().flush());
    }
}

/// What the client speaks, by its first bytes, which stay in the kernel's buffer. `None` if it never said.
async fn protocol(
    worker: &Worker,
    on: &Listening,
    stream: &mut Stream,
    leaves: &mut Leaves,
) -> Option<Codec> {
    let codec = on.http().manager.codec;
    if codec != Codec::Auto {
        return Some(codec);
    }
    if let Some(agreed) = stream.tls().and_then(|tls| tls.alpn()) {
        return Some(if agreed == b"h2" { Codec::Http2 } else { Codec::Http1 });
    }
    // A client that says nothing is not waited for longer than for a request's head.
    let patience = match on.http().manager.request_headers_timeout {
        Duration::ZERO => on.http().manager.idle_timeout,
        limit => limit,
    };
    let mut late = (!patience.is_zero()).then(|| worker.timer.after(patience));
    let mut leave = leaves.0.map(|at| worker.timer.at(at));
    let mut guard = worker.drain.guard();
    let mut first = [0u8; 24];
    let mut seen = 0;
    loop {
        let n = poll_fn(|cx| {
            if late.as_mut().is_some_and(|late| late.poll_expired(cx).is_ready()) {
                return Poll::Ready(None);
            }
            while let Poll::Ready(phase) = guard.poll_phase(cx) {
                if phase >= Phase::Closing {
                    return Poll::Ready(None);
                }
                if leaves.drain(worker, on) {
                    leave = leaves.0.map(|at| worker.timer.at(at));
                }
            }
            if leave.as_mut().is_some_and(|leave| leave.poll_expired(cx).is_ready()) {
                on.http().stats.inc(Leaves::why(worker));
                return Poll::Ready(None);
            }
            Poll::Ready(ready!(stream.poll_peek(cx, &mut first)).ok())
        })
        .await?;
        match sniff(first.get(..n).unwrap_or_default()) {
            Sniff::Http2 => return Some(Codec::Http2),
            Sniff::Http1 => return Some(Codec::Http1),
            Sniff::More if n == 0 => return None,
            // Part of the preface: it is in the buffer already, so readiness would not say when more has come.
            Sniff::More => {
                if n == seen {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                seen = n;
            }
        }
    }
}
