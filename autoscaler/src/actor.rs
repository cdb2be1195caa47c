//! The running autoscaler: one task that owns every revision, a websocket server that feeds it, a handle that speaks to it.
//! Decides nothing itself; it only brings clock, channels and sockets together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay_report::metrics::WireStatMessages;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::moment::Moment;
use crate::revisions::{Origin, Revisions, ScaleTo, Status};
use crate::settings::{Defaults, Settings};
use crate::stat_server::{self, StatServer};

/// Frames heard but not yet taken in, 64 MiB at their largest; beyond it reporters wait, by their sockets' buffers. A frame
/// is taken in within microseconds, so more would only hide a fault.
const FRAMES: usize = 16;

/// What to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen for reporters; port 0 picks one.
    pub listen: SocketAddr,
    /// What holds for revisions that do not say otherwise.
    pub defaults: Defaults,
}

impl Default for Config {
    /// A free loopback port and Knative's defaults.
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), defaults: Defaults::default() }
    }
}

/// Why the autoscaler did not start.
#[derive(Debug, thiserror::Error)]
#[error("autoscaler: cannot listen on {address} for load reports: {source}")]
pub struct StartError {
    /// Where it should have listened.
    pub address: SocketAddr,
    source: std::io::Error,
}

/// A handle to the running autoscaler. It runs until the last handle is gone or [`Autoscaler::shutdown`].
#[derive(Debug, Clone)]
pub struct Autoscaler {
    commands: mpsc::UnboundedSender<Command>,
    address: SocketAddr,
    defaults: Arc<Defaults>,
}

#[derive(Debug)]
enum Command {
    Upsert { namespace: Arc<str>, name: Arc<str>, settings: Box<Settings>, reachable: bool, origin: Origin },
    Remove { namespace: String, name: String },
    SetReady { namespace: String, name: String, ready: u32 },
    Statuses(oneshot::Sender<Vec<Status>>),
    Shutdown(oneshot::Sender<()>),
}

impl Autoscaler {
    /// Starts listening and deciding, in the current tokio runtime. Orders come through the receiver, each once, the
    /// newest always right; dropping the receiver stops nothing.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn spawn(config: Config) -> Result<(Self, mpsc::UnboundedReceiver<ScaleTo>), StartError> {
        let failed = |source| StartError { address: config.listen, source };
        let server = StatServer::bind(config.listen).map_err(failed)?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let (orders, outbox) = mpsc::unbounded_channel();
        let handle = Self { commands, address: server.address(), defaults: Arc::new(config.defaults) };
        tokio::spawn(run(inbox, server, orders));
        Ok((handle, outbox))
    }

    /// Where reporters connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL reporters are told, `ws://address`.
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The defaults it was started with, for [`Settings::from_annotations`].
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Adds a revision, which starts at its initial scale to prove itself, or changes a known one's settings. The same
    /// again does nothing. `reachable` is false only for a revision that no route names any more; one that waits for its
    /// first route is reachable.
    pub fn upsert(
        &self,
        namespace: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        settings: Settings,
        reachable: bool,
    ) {
        self.add(namespace.into(), name.into(), settings, reachable, Origin::New);
    }

    /// As [`Autoscaler::upsert`], but a revision not known yet is one that proved itself in an earlier life of this
    /// process: it starts at zero (or its lower bound) and waits for traffic.
    pub fn restore(
        &self,
        namespace: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        settings: Settings,
        reachable: bool,
    ) {
        self.add(namespace.into(), name.into(), settings, reachable, Origin::Proven);
    }

    /// Forgets a revision. Nothing is ordered for it any more; its replicas are the caller's to end.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.send(Command::Remove { namespace: namespace.into(), name: name.into() });
    }

    /// Tells how many replicas of a revision answer their probe.
    pub fn set_ready(&self, namespace: &str, name: &str, ready: u32) {
        self.send(Command::SetReady { namespace: namespace.into(), name: name.into(), ready });
    }

    /// Every revision, by namespace and name; empty after shutdown.
    pub async fn statuses(&self) -> Vec<Status> {
        let (answer, statuses) = oneshot::channel();
        self.send(Command::Statuses(answer));
        statuses.await.unwrap_or_default()
    }

    /// Stops. Reporters are told to come back later (close code 1012); waits for them, five seconds at most.
    pub async fn shutdown(self) {
        let (answer, done) = oneshot::channel();
        self.send(Command::Shutdown(answer));
        // An error means that it is gone already.
        let _ = done.await;
    }

    fn add(&self, namespace: Arc<str>, name: Arc<str>, settings: Settings, reachable: bool, origin: Origin) {
        self.send(Command::Upsert { namespace, name, settings: Box::new(settings), reachable, origin });
    }

    fn send(&self, command: Command) {
        // Fails only after shutdown, when there is nothing left to tell.
        let _ = self.commands.send(command);
    }
}

/// The task. It sleeps until something is heard, commanded or due; idle revisions are never due.
async fn run(
    mut inbox: mpsc::UnboundedReceiver<Command>,
    server: StatServer,
    orders: mpsc::UnboundedSender<ScaleTo>,
) {
    let clock = Clock::start();
    let (frames, mut heard) = mpsc::channel::<WireStatMessages>(FRAMES);
    let (stop, stopped) = stat_server::stop();
    let serving = tokio::spawn(server.serve(frames, stopped));
    let mut revisions = Revisions::default();

    let asked_by = loop {
        let due = revisions.next_due().map(|due| clock.instant(due));
        tokio::select! {
            command = inbox.recv() => match command {
                None => break None,
                Some(Command::Shutdown(answer)) => break Some(answer),
                Some(command) => execute(&mut revisions, command, clock.now()),
            },
            // The server outlives this loop, so the channel is open.
            Some(frame) = heard.recv() => revisions.record(&frame.messages, clock.now()),
            () = tokio::time::sleep_until(due.unwrap_or(clock.start)), if due.is_some() => {
                revisions.run_due(clock.now());
            }
        }
        for order in revisions.take_orders() {
            tracing::debug!(
                namespace = &*order.key.0,
                revision = &*order.key.1,
                replicas = order.replicas,
                reason = order.reason,
                "scale"
            );
            // A caller who dropped the receiver does not want to know.
            let _ = orders.send(order);
        }
    };
    drop(heard);
    drop(stop);
    // It bounds its own time; a panic in it is reported by the runtime.
    let _ = serving.await;
    if let Some(answer) = asked_by {
        let _ = answer.send(());
    }
}

fn execute(revisions: &mut Revisions, command: Command, now: Moment) {
    match command {
        Command::Upsert { namespace, name, settings, reachable, origin } => {
            revisions.upsert(namespace, name, *settings, reachable, origin, now);
        }
        Command::Remove { namespace, name } => revisions.remove(&namespace, &name),
        Command::SetReady { namespace, name, ready } => revisions.set_ready(&namespace, &name, ready, now),
        Command::Statuses(answer) => {
            // Whoever asked may have gone.
            let _ = answer.send(revisions.statuses(now));
        }
        Command::Shutdown(_) => {}
    }
}

/// Moments by the monotonic clock, set to the wall clock once: a clock that is set back must not stretch a window.
struct Clock {
    start: Instant,
    epoch: Duration,
}

impl Clock {
    fn start() -> Self {
        // A wall clock before 1970 gives buckets from 1970 on, which serve as well.
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), epoch }
    }

    fn now(&self) -> Moment {
        Moment::new(self.epoch + self.start.elapsed())
    }

    fn instant(&self, moment: Moment) -> Instant {
        self.start + moment.since(Moment::new(self.epoch))
    }
}

#[cfg(test)]
mod tests;
