//! What all connections of a queue-proxy share. Owns nothing's order; everything is on one thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use forebay_balance::{Bounds, Capacity, Gate};
use forebay_http::Pool;
use forebay_net::tls::ServerTls;
use forebay_net::{Clock, DateLine, Drain, Micros, Stream, Timer, WorkerDrain};
use forebay_report::otlp::EXPORT_METRICS_PATH;
use forebay_upstream::{Keep, Owner, Pools, Why};
use tokio::time::MissedTickBehavior;

use crate::certificate::Certificate;
use crate::config::Config;
use crate::exchange::Exchange;
use crate::life::{InFlight, Quiet};
use crate::load::Load;
use crate::metrics::Metrics;
use crate::otlp::{Collector, resource};
use crate::readiness::Readiness;
use crate::request_log::RequestLog;
use crate::trace::Tracer;

/// The app, to the pools.
pub(crate) const APP: u64 = 0;

/// Idle connections to the app are closed then, as Go's transport does: `http.DefaultTransport`.
pub(crate) const KEEP: Keep =
    Keep { idle: Duration::from_secs(90), duration: Duration::ZERO, requests: None };

/// Waiting places for each running request (serving: `buildBreaker`).
const QUEUE: u32 = 10;

/// Exchanges kept for reuse: as many as commonly run at once in front of one app.
const SPARE: usize = 128;

pub(crate) struct Sidecar {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) timer: Timer,
    pub(crate) date: DateLine,
    pub(crate) buffers: Rc<Pool>,
    pub(crate) pools: Pools<Wire>,
    /// The breaker; none where any number of requests may run.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) load: Load,
    pub(crate) ready: Rc<Readiness>,
    pub(crate) certificate: Option<Rc<Certificate>>,
    /// What Prometheus asks through.
    pub(crate) metrics_tls: Option<Rc<ServerTls>>,
    pub(crate) log: Option<Rc<RequestLog>>,
    pub(crate) metrics: Option<Metrics>,
    pub(crate) tracer: Option<Rc<Tracer>>,
    /// Whether there is a log, a trace or a count of requests.
    pub(crate) is_watched: bool,
    collector: Option<Collector>,
    pub(crate) quiet: Rc<Quiet>,
    pub(crate) drain: WorkerDrain,
    pub(crate) in_flight: Rc<InFlight>,
    #[expect(clippy::vec_box, reason = "a pooled exchange moves as a pointer")]
    spare: RefCell<Vec<Box<Exchange>>>,
}

/// What TLS is spoken with, on the ports where it is.
pub(crate) struct Secrets {
    pub(crate) certificate: Option<Rc<Certificate>>,
    pub(crate) metrics: Option<Rc<ServerTls>>,
}

/// A connection to the app. Nobody counts those.
pub(crate) struct Wire;

impl Owner for Wire {
    fn opened(&mut self, io: Stream) -> Stream {
        io
    }

    fn closes(&mut self, _: Why) {}
}

impl Sidecar {
    pub(crate) fn new(config: Config, secrets: Secrets, drain: &Drain) -> Rc<Self> {
        let clock = Clock::new();
        let buffers = Pool::new();
        let gate = (config.concurrency > 0).then(|| {
            let max_waiting = config.concurrency.saturating_mul(QUEUE);
            let gate = Gate::new(Bounds { max_waiting, max_bytes: u64::MAX });
            gate.set_capacity(Capacity::Slots(config.concurrency));
            gate
        });
        let log = RequestLog::new(&config).map(Rc::new);
        let counts = config.prometheus.is_some() || config.metrics.is_some();
        let metrics = counts.then(|| Metrics::new(&config));
        let tracer = config.traces.as_ref().map(|export| Rc::new(Tracer::new(export, &config)));
        let collector = config.metrics.as_ref();
        Rc::new(Self {
            is_watched: log.is_some() || metrics.is_some() || tracer.is_some(),
            collector: collector.map(|to| Collector::new(&to.target, EXPORT_METRICS_PATH, &config)),
            tracer,
            timer: Timer::new(clock.clone()),
            date: DateLine::default(),
            pools: Pools::new(buffers.clone()),
            gate,
            load: Load::new(&config.identity.pod, clock.now().0),
            ready: Readiness::new(&config.probes, config.detects_http2, &buffers),
            certificate: secrets.certificate,
            metrics_tls: secrets.metrics,
            log,
            metrics,
            quiet: Quiet::new(config.quiet, clock.clone()),
            drain: drain.worker(),
            in_flight: Rc::default(),
            spare: RefCell::default(),
            buffers,
            clock,
            config,
        })
    }

    /// Starts what goes on by itself: timers, the drain's phases, the report of each second.
    pub(crate) fn start(self: &Rc<Self>) {
        let (timer, drain, this) = (self.timer.clone(), self.drain.clone(), self.clone());
        tokio::task::spawn_local(async move { timer.run().await });
        tokio::task::spawn_local(async move { drain.follow().await });
        tokio::task::spawn_local(async move { this.seconds().await });
        if let Some(tracer) = self.tracer.clone() {
            tokio::task::spawn_local(tracer.run());
        }
        if let Some(every) = self.config.metrics.as_ref().map(|metrics| metrics.every) {
            let this = self.clone();
            tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(every).await;
                    this.export().await;
                }
            });
        }
    }

    /// Sends what has been counted, where somebody takes it.
    async fn export(&self) {
        let (Some(metrics), Some(collector)) = (&self.metrics, &self.collector) else { return };
        let since = self.clock.unix_micros(Micros(0)) * 1000;
        let message = metrics.message(resource(&self.config), since, self.unix_micros() * 1000);
        if let Err(why) = collector.send(message).await {
            tracing::error!("metrics export: {why}");
        }
    }

    /// Sends what has not been sent yet: the last thing that is done.
    pub(crate) async fn tell_the_rest(&self) {
        self.export().await;
        if let Some(tracer) = &self.tracer {
            tracer.flush().await;
        }
    }

    /// Now, in microseconds since the Unix epoch.
    pub(crate) fn unix_micros(&self) -> u64 {
        self.clock.unix_micros(self.clock.tick())
    }

    async fn seconds(&self) {
        let second = Duration::from_secs(1);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + second, second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.clock.tick();
            self.load.report(now.0);
            self.pools.sweep(now.0);
            if self.in_flight.all() == 0 {
                // What a burst needed is not held after it.
                self.spare.borrow_mut().clear();
                self.buffers.trim();
            }
        }
    }

    /// Requests that run or wait; none where nobody counts them.
    pub(crate) fn depth(&self) -> Option<u32> {
        self.gate.as_ref().map(|gate| gate.in_flight() + gate.waiting())
    }

    pub(crate) fn lend_exchange(&self) -> Box<Exchange> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_back_exchange(&self, x: Box<Exchange>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(x);
        }
    }
}
