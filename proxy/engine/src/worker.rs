//! A worker: one thread, one runtime, everything a request needs within reach and nothing shared but atomics. Owns the mailbox
//! and the once-a-second chores; the order of a request's steps is [`exchange`](crate::exchange)'s.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use forebay_base::rng::Rng;
use forebay_http::Pool;
use forebay_net::{Clock, DateLine, Drain, Limit, Timer, WorkerDrain};
use forebay_telemetry::Source;
use forebay_telemetry::log::Files;
use forebay_upstream::Pools;
use tokio::sync::mpsc;

use crate::config::{ClusterState, Config};
use crate::conn::{self, Front};
use crate::exchange::{Apart, Exchange, Wire};
use crate::fleet::Message;
use crate::report::Report;
use crate::spans::Spans;

/// Exchanges kept for reuse: as many as are commonly in flight at once on one worker.
const SPARE: usize = 512;

pub(crate) struct Worker {
    pub(crate) rng: Rng,
    pub(crate) clock: Clock,
    pub(crate) date: DateLine,
    pub(crate) timer: Timer,
    pub(crate) drain: WorkerDrain,
    /// All downstream connections of the process.
    pub(crate) limit: Limit,
    pub(crate) buffers: Rc<Pool>,
    pub(crate) pools: Pools<Wire>,
    /// Pools of endpoints that have one for each name.
    pub(crate) apart: Apart,
    pub(crate) config: Config,
    pub(crate) stats: Source,
    /// Access log files of the process; asked when a listener is configured.
    pub(crate) log_files: Files,
    /// Whether health checks are to fail. Written by the admin interface, read where a health check is answered.
    pub(crate) failing: Arc<AtomicBool>,
    /// The cluster of proxies that this one is of.
    pub(crate) cluster: Arc<str>,
    /// Requests being served.
    pub(crate) in_flight: Cell<u64>,
    listeners: RefCell<Vec<Rc<Front>>>,
    /// TLS handshakes under way.
    pub(crate) handshakes: Cell<usize>,
    inbox: RefCell<mpsc::UnboundedReceiver<Message>>,
    /// Written by the publisher after every mailbox has its message; read by each worker before it routes.
    epoch: Arc<AtomicU64>,
    seen: Cell<u64>,
    reports: mpsc::UnboundedSender<Report>,
    /// Finished spans that wait for their collectors.
    pub(crate) spans: Spans,
    /// Clusters whose meter has something to say.
    metered: RefCell<Vec<Rc<ClusterState>>>,
    /// Boxed, because it is lent out by moving it.
    #[expect(clippy::vec_box, reason = "a pooled exchange moves as a pointer")]
    spare: RefCell<Vec<Box<Exchange>>>,
    next_connection: Arc<AtomicU64>,
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) inbox: mpsc::UnboundedReceiver<Message>,
    pub(crate) epoch: Arc<AtomicU64>,
    pub(crate) stats: Source,
    pub(crate) log_files: Files,
    pub(crate) reports: mpsc::UnboundedSender<Report>,
    pub(crate) spans: Spans,
    pub(crate) next_connection: Arc<AtomicU64>,
    pub(crate) drain: Drain,
    pub(crate) limit: Limit,
    pub(crate) failing: Arc<AtomicBool>,
    pub(crate) cluster: Arc<str>,
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let buffers = Pool::new();
        let clock = Clock::new();
        Rc::new(Self {
            rng: Rng::from_entropy(),
            timer: Timer::new(clock.clone()),
            clock,
            date: DateLine::default(),
            drain: parts.drain.worker(),
            limit: parts.limit,
            pools: Pools::new(buffers.clone()),
            apart: Apart::default(),
            buffers,
            config: Config::default(),
            stats: parts.stats,
            log_files: parts.log_files,
            failing: parts.failing,
            cluster: parts.cluster,
            in_flight: Cell::new(0),
            listeners: RefCell::default(),
            handshakes: Cell::new(0),
            inbox: RefCell::new(parts.inbox),
            epoch: parts.epoch,
            seen: Cell::new(0),
            reports: parts.reports,
            spans: parts.spans,
            metered: RefCell::default(),
            spare: RefCell::default(),
            next_connection: parts.next_connection,
        })
    }

    /// Lives until told to stop: mail and chores; connections are tasks beside it.
    pub(crate) async fn run(self: Rc<Self>) {
        let timer = self.timer.clone();
        let drain = self.drain.clone();
        tokio::task::spawn_local(async move { timer.run().await });
        tokio::task::spawn_local(async move { drain.follow().await });
        tokio::task::spawn_local(self.clone().chores());
        loop {
            let message = poll_fn(|cx| self.inbox.borrow_mut().poll_recv(cx)).await;
            match message {
                Some(Message::Stop) | None => break,
                Some(message) => self.take(message),
            }
        }
        self.report_load();
        for listening in self.listeners.borrow().iter() {
            listening.flush_logs();
        }
    }

    // === configuration

    /// Takes what is in the mailbox if the publisher says that there is something. One relaxed-cost load a request.
    #[inline]
    pub(crate) fn obey(self: &Rc<Self>) {
        if self.epoch.load(Ordering::Acquire) != self.seen.get() {
            self.empty_mailbox();
        }
    }

    #[cold]
    fn empty_mailbox(self: &Rc<Self>) {
        loop {
            let message = self.inbox.borrow_mut().try_recv();
            match message {
                Ok(message) => self.take(message),
                Err(_) => break,
            }
        }
    }

    fn take(self: &Rc<Self>, message: Message) {
        match message {
            Message::Update { epoch, update, mut sockets } => {
                for (ix, cluster) in &update.clusters {
                    for endpoint in self.config.set_cluster(*ix, cluster.as_ref()) {
                        self.apart.forget(self, endpoint);
                    }
                }
                for (name, table) in &update.tables {
                    self.config.set_table(name, table.as_ref());
                }
                for (name, listener) in &update.listeners {
                    conn::configure(self, &self.listeners, name, listener.as_ref(), &mut sockets);
                }
                self.seen.set(epoch);
            }
            Message::CloseListeners { inbound_only } => {
                let listeners = self.listeners.borrow();
                listeners.iter().filter(|l| !inbound_only || l.is_inbound()).for_each(|l| l.close());
            }
            // `run` ends by it; passed over within a request, the closed mailbox behind it does the same.
            Message::Stop => {}
            Message::Flush => {
                for listening in self.listeners.borrow().iter() {
                    listening.flush_logs();
                }
            }
        }
    }

    pub(crate) fn connection_number(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    // === exchanges

    pub(crate) fn lend_exchange(&self) -> Box<Exchange> {
        self.spare.borrow_mut().pop().unwrap_or_else(Exchange::new)
    }

    pub(crate) fn give_back_exchange(&self, x: Box<Exchange>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(x);
        }
    }

    // === load

    /// Counts a request of a revision until the guard is dropped.
    pub(crate) fn meter(self: &Rc<Self>, state: &Rc<ClusterState>) -> Metered {
        let now = self.clock.now().0;
        if !state.listed.replace(true) {
            // The idle time before is not part of the mean.
            state.meter.report(now);
            state.since.set(now);
            self.metered.borrow_mut().push(state.clone());
        }
        state.meter.start(now);
        Metered { worker: self.clone(), state: state.clone() }
    }

    /// A request waits: the autoscaler hears of it now, and again each time the crowd has doubled.
    pub(crate) fn tell_waiting(&self, state: &ClusterState) {
        let cluster = state.now();
        let Some(revision) = &cluster.config.revision else { return };
        let concurrency = cluster.gate.in_flight() + cluster.gate.waiting();
        let told = state.told.get();
        if told == 0 || concurrency >= told.saturating_mul(2) {
            state.told.set(concurrency.max(1));
            let _ = self.reports.send(Report::Waiting { revision: revision.clone(), concurrency });
        }
    }

    fn report_load(&self) {
        let now = self.clock.tick().0;
        self.metered.borrow_mut().retain(|state| {
            let sample = state.meter.report(now);
            let seconds = now.saturating_sub(state.since.replace(now)) as f64 / 1e6;
            let cluster = state.now();
            state.told.set(0);
            if let Some(revision) = &cluster.config.revision {
                let _ = self.reports.send(Report::Load {
                    revision: revision.clone(),
                    request_seconds: sample.average_concurrency * seconds,
                    arrivals: sample.requests,
                });
            }
            let live = sample.level > 0;
            state.listed.set(live);
            live
        });
    }

    async fn chores(self: Rc<Self>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            second.tick().await;
            self.report_load();
            self.spans.tick(&self);
            self.pools.sweep(self.clock.now().0);
            for listening in self.listeners.borrow().iter() {
                listening.flush_logs();
            }
        }
    }
}

/// A request that counts.
pub(crate) struct Metered {
    worker: Rc<Worker>,
    state: Rc<ClusterState>,
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.state.meter.end(self.worker.clock.now().0);
    }
}
