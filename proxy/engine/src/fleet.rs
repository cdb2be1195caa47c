//! All workers of a process: started together, fed together. Owns threads and mailboxes; knows nothing of xDS.

mod sockets;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use forebay_model::Update;
use forebay_net::{BindError, Drain, Limit};
use forebay_telemetry::Registry;
use forebay_telemetry::log::Files;
use forebay_telemetry::trace::Speaker;
use thiserror::Error;
use tokio::sync::mpsc;

pub use self::sockets::Bound;
use self::sockets::Sockets;
use crate::report::Report;
use crate::spans::{SpanCounts, Spans};
use crate::worker::{Parts, Worker};

/// What a worker gets by mail.
pub(crate) enum Message {
    /// Nodes that were replaced, and sockets for listeners that are new.
    Update { epoch: u64, update: Arc<Update>, sockets: Vec<(Arc<str>, TcpListener)> },
    /// Accept no more, on any or on inbound listeners.
    CloseListeners { inbound_only: bool },
    /// Hand over access logs.
    Flush,
    /// End.
    Stop,
}

/// How long the last access log lines may take to reach their files when the process ends.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How workers are started.
pub struct Options {
    /// How many; each is a thread. Zero is one.
    pub workers: usize,
    /// Downstream connections of the process.
    pub max_connections: usize,
    /// Where statistics are folded.
    pub registry: Registry,
    /// Where load is reported.
    pub reports: mpsc::UnboundedSender<Report>,
    /// Who sends spans.
    pub speaker: Speaker,
    /// The cluster of proxies that this one is of, as those who check its health are told.
    pub cluster: Arc<str>,
}

/// Why a fleet could not start.
#[derive(Debug, Error)]
#[error("cannot start a worker thread: {0}")]
pub struct StartError(#[from] std::io::Error);

/// The workers.
pub struct Fleet {
    mail: Vec<mpsc::UnboundedSender<Message>>,
    threads: Vec<JoinHandle<()>>,
    epoch: Arc<AtomicU64>,
    drain: Drain,
    limit: Limit,
    logs: Files,
    spans: Arc<SpanCounts>,
    failing: Arc<AtomicBool>,
    registry: Registry,
    /// Locked by the publisher and by whoever asks; never by a worker.
    sockets: Mutex<Sockets>,
    /// Names of clusters by index, for those who count by name. Locked by the publisher alone.
    clusters: Mutex<Vec<Option<Arc<str>>>>,
}

impl Fleet {
    /// Starts the threads; they serve nothing before the first update.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let mut fleet = Self {
            mail: Vec::new(),
            threads: Vec::new(),
            epoch: Arc::default(),
            drain: Drain::new(),
            limit: Limit::new(options.max_connections),
            logs: Files::default(),
            spans: Arc::default(),
            failing: Arc::default(),
            registry: options.registry.clone(),
            sockets: Mutex::default(),
            clusters: Mutex::default(),
        };
        let next_connection = Arc::new(AtomicU64::new(1));
        let speaker = Arc::new(options.speaker);
        for index in 0..options.workers.max(1) {
            let (mail, inbox) = mpsc::unbounded_channel();
            let (epoch, reports) = (fleet.epoch.clone(), options.reports.clone());
            let (counts, speaker) = (fleet.spans.clone(), speaker.clone());
            let (stats, next_connection) = (options.registry.source(), next_connection.clone());
            let (failing, cluster) = (fleet.failing.clone(), options.cluster.clone());
            let (drain, limit, log_files) = (fleet.drain.clone(), fleet.limit.clone(), fleet.logs.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                let spans = Spans::new(counts, speaker);
                let parts = Parts {
                    inbox,
                    epoch,
                    stats,
                    log_files,
                    reports,
                    spans,
                    next_connection,
                    drain,
                    limit,
                    failing,
                    cluster,
                };
                live(parts);
            })?;
            fleet.mail.push(mail);
            fleet.threads.push(thread);
        }
        Ok(fleet)
    }

    /// How many workers.
    pub fn len(&self) -> usize {
        self.mail.len()
    }

    /// Never: a fleet has at least one worker.
    pub fn is_empty(&self) -> bool {
        self.mail.is_empty()
    }

    /// Makes `update` what every request from now on is routed by. Listeners whose addresses cannot be bound are left out
    /// and named; the rest of the update holds. They may be [tried again](Fleet::try_again).
    pub fn publish(&self, update: Update) -> Vec<(Arc<str>, BindError)> {
        let changed = self.sockets().change(&update.listeners, self.mail.len());
        let update = self.tell(update, changed.opened);
        update.open_gates();
        self.forget_listeners(&changed.gone);
        self.forget_clusters(&update);
        changed.failed
    }

    /// Whether there are listeners that could not be opened.
    pub fn has_unopened(&self) -> bool {
        self.sockets().has_unopened()
    }

    /// Tries to open the listeners that could not be opened: who had their addresses may be gone. Which are open now.
    pub fn try_again(&self) -> Vec<Arc<str>> {
        let (listeners, changed) = self.sockets().try_again(self.mail.len());
        if listeners.is_empty() {
            return Vec::new();
        }
        let names = listeners.iter().map(|(name, _)| name.clone()).collect();
        let mut update = Update::default();
        update.listeners = listeners;
        self.tell(update, changed.opened);
        self.forget_listeners(&changed.gone);
        names
    }

    /// Puts an update into every mailbox.
    fn tell(&self, update: Update, opened: Vec<Vec<(Arc<str>, TcpListener)>>) -> Arc<Update> {
        let update = Arc::new(update);
        let epoch = self.epoch.load(Ordering::Relaxed) + 1;
        for (mail, sockets) in self.mail.iter().zip(opened) {
            // A worker that has died is noticed by its thread's end, not here.
            let _ = mail.send(Message::Update { epoch, update: update.clone(), sockets });
        }
        // After every mailbox has it: whoever sees the number finds the message.
        self.epoch.store(epoch, Ordering::Release);
        update
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Statistics of addresses that are not listened on any more go with them.
    fn forget_listeners(&self, gone: &[SocketAddr]) {
        gone.iter().for_each(|address| self.registry.remove_listener(&address.to_string()));
    }

    /// Statistics of clusters that went go with them.
    fn forget_clusters(&self, update: &Update) {
        let mut names = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        for (ix, cluster) in &update.clusters {
            let at = ix.0 as usize;
            if names.len() <= at {
                names.resize(at + 1, None);
            }
            let Some(name) = names.get_mut(at) else { continue };
            match cluster {
                Some(cluster) => *name = Some(cluster.config.name.clone()),
                None => {
                    if let Some(name) = name.take() {
                        self.registry.remove_cluster(&name);
                    }
                }
            }
        }
    }

    /// What is bound now.
    pub fn bound(&self) -> Vec<Bound> {
        self.sockets().bound()
    }

    /// Health checks that the listeners' own filters answer fail from now on, or pass again.
    pub fn fail_health_checks(&self, fail: bool) {
        self.failing.store(fail, Ordering::Relaxed);
    }

    /// The drain that connections follow; carry out a plan on it to end well.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Open downstream connections.
    pub fn connections(&self) -> usize {
        self.limit.open()
    }

    /// Stops accepting: on all listeners, or on inbound ones alone. Those that come later do not begin to.
    pub fn close_listeners(&self, inbound_only: bool) {
        let mut sockets = self.sockets();
        sockets.close(inbound_only);
        self.mail.iter().for_each(|mail| drop(mail.send(Message::CloseListeners { inbound_only })));
    }

    /// How many listeners have stopped accepting.
    pub fn closed_listeners(&self) -> usize {
        self.sockets().closed()
    }

    /// Makes workers hand over what they have written to access logs.
    pub fn flush(&self) {
        self.mail.iter().for_each(|mail| drop(mail.send(Message::Flush)));
    }

    /// Opens access logs anew by name, for log rotation.
    pub fn reopen_logs(&self) {
        self.logs.reopen();
    }

    /// The access log files of the process.
    pub fn log_files(&self) -> &Files {
        &self.logs
    }

    /// What became of spans.
    pub fn spans(&self) -> &SpanCounts {
        &self.spans
    }

    /// Access log lines that could not be written, of the files that are open.
    pub fn lost_lines(&self) -> u64 {
        self.logs.lost()
    }

    /// Whether a worker's thread has ended, which none does by itself.
    pub fn is_broken(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Ends all workers; what is still in flight is cut, and the access logs are written out. Blocks.
    pub fn stop(self) {
        // A file closes with its last writer; whoever is to wait for its last line has to hold it.
        let files = self.logs.all();
        self.mail.iter().for_each(|mail| drop(mail.send(Message::Stop)));
        // A worker that took its mail within a request has passed over the word; a closed mailbox says it again.
        drop(self.mail);
        for thread in self.threads {
            // A worker that panicked has said so on standard error.
            let _ = thread.join();
        }
        if !self.logs.flush(LAST_LINES) {
            tracing::warn!("the last access log lines could not be written in time");
        }
        drop(files);
    }
}

/// A worker's thread.
fn live(parts: Parts) {
    // A runtime whose own tasks need not be `Send`: a `LocalSet` would schedule each of them a second time.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // Look for socket events after this many task polls: a burst of ready tasks does not starve the rest.
        .event_interval(61)
        .build_local(tokio::runtime::LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a worker cannot make its event loop");
            return;
        }
    };
    runtime.block_on(async move { Worker::new(parts).run().await });
}
