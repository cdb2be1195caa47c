//! The platform as others hold it: a handle to the task that supervises. Knows nothing of how it does.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use forebay_base::rng::Rng;
use forebay_knative::RevisionKey;
use forebay_knative::api::Revision;
use tokio::sync::{mpsc, oneshot};

use crate::event::Event;
use crate::guard::{Guard, Program};
use crate::launch::Site;
use crate::logs::{self, Budget};
use crate::options::Options;
use crate::ports::Ports;
use crate::process::Spawner;
use crate::sockets::Connections;
use crate::supervisor::{Command, Supervisor};

/// A revision, and where it came from.
#[derive(Debug, Clone)]
pub struct Workload {
    pub key: RevisionKey,
    pub revision: Arc<Revision>,
    /// The folder of its manifest: what commands are relative to, and where they run. Share it between the revisions of
    /// a folder.
    pub base_dir: Arc<Path>,
}

/// How soon replicas are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Nobody is waiting.
    Routine,
    /// Requests wait for it: it starts before those nobody waits for.
    Waiting,
}

/// One revision and its replicas at one moment.
#[derive(Debug, Clone)]
pub struct Status {
    pub key: RevisionKey,
    pub wanted: u32,
    pub replicas: Vec<ReplicaStatus>,
    /// Failures in a row.
    pub failures: u32,
    /// Reason and message of the last failure; none once a replica was ready again.
    pub last_failure: Option<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct ReplicaStatus {
    pub number: u32,
    pub state: ReplicaState,
    /// When it came into that state.
    pub since: Instant,
    /// Process and address, once there is a process.
    pub process: Option<(u32, SocketAddr)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaState {
    /// Waits for others to have started.
    Queued,
    Starting,
    Ready,
    /// Was ready; its readiness probe fails.
    Unready,
    /// Drains, or is being stopped.
    Stopping,
}

/// Why the platform cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("log directory {} cannot be created: {error}", .path.display())]
    Logs { path: PathBuf, error: io::Error },
    #[error("this program cannot find its own file: {0}")]
    Itself(io::Error),
    #[error("the guard process cannot be started: {}: {error}", .program.display())]
    Guard { program: PathBuf, error: io::Error },
}

/// What all replicas use.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) site: Site,
    pub(crate) ports: Arc<Ports>,
    pub(crate) spawner: Spawner,
    pub(crate) connections: Connections,
    pub(crate) budget: Budget,
    pub(crate) events: mpsc::UnboundedSender<Event>,
}

/// Runs revisions as processes of this machine. Cheap to clone; when the last handle is dropped everything is stopped.
#[derive(Debug, Clone)]
pub struct Platform {
    commands: mpsc::UnboundedSender<Command>,
}

impl Platform {
    /// Starts the platform on the current runtime, with nothing to run yet. It starts a guard process, which kills
    /// every replica should this process end without [`shutdown`](Self::shutdown).
    pub async fn start(options: Options) -> Result<(Self, mpsc::UnboundedReceiver<Event>), StartError> {
        let options = Options { state_dir: absolute(&options.state_dir), ..options };
        let logs = options.state_dir.join("logs");
        std::fs::create_dir_all(&logs).map_err(|error| StartError::Logs { path: logs.clone(), error })?;
        tokio::task::spawn_blocking(move || {
            if let Err(e) = logs::prune(&logs) {
                tracing::debug!("old logs in {} are kept: {e}", logs.display());
            }
        });
        let this = std::env::current_exe().map_err(StartError::Itself)?;
        let program = match &options.guard {
            Some(words) => {
                let mut words = words.iter().cloned();
                Program {
                    path: words.next().map_or_else(|| this.clone(), PathBuf::from),
                    args: words.collect(),
                }
            }
            None => Program { path: this.clone(), args: vec!["__guard".into()] },
        };
        let rng = Rng::from_entropy();
        let marker = format!("{:016x}", rng.next_u64());
        let path = program.path.clone();
        let (guard, guarded) = Guard::start(program, marker.clone())
            .map_err(|error| StartError::Guard { program: path, error })?;
        let (events, listener) = mpsc::unbounded_channel();
        let shared = Shared {
            site: Site::new(&options, this),
            ports: Arc::new(Ports::new(rng.next_u64())),
            spawner: Spawner::new(guard, marker),
            connections: Connections::default(),
            budget: Budget::default(),
            events,
            options,
        };
        let (commands, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Supervisor::new(Arc::new(shared), inbox).run(guarded));
        Ok((Self { commands }, listener))
    }

    /// Makes a revision known. Nothing starts until it is scaled. Known already: the next starts use the new facts.
    pub fn ensure(&self, mut workload: Workload) {
        if workload.base_dir.is_relative() {
            // As of now: a program's directory must not follow this process should it move.
            workload.base_dir = absolute(&workload.base_dir).into();
        }
        self.command(Command::Ensure(workload));
    }

    /// Forgets a revision; its replicas drain and end.
    pub fn remove(&self, key: &RevisionKey) {
        self.command(Command::Remove(key.clone()));
    }

    /// Wants so many replicas of a known revision: starts what is missing, drains the youngest of those too many.
    pub fn scale(&self, key: &RevisionKey, replicas: u32, urgency: Urgency) {
        self.command(Command::Scale(key.clone(), replicas, urgency));
    }

    /// Every known revision, sorted by key. Empty once the platform is shut down.
    pub async fn statuses(&self) -> Vec<Status> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Statuses(answer));
        answered.await.unwrap_or_default()
    }

    /// The file a replica's lines go to.
    pub fn log_path(state_dir: &Path, key: &RevisionKey, replica: u32) -> PathBuf {
        logs::path(state_dir, key, replica, "")
    }

    /// Stops everything: a short drain, SIGTERM, after the grace SIGKILL. Returns when nothing is left and all ports
    /// are free.
    ///
    /// Go on answering [`Event::Draining`], or drop the receiver of events: both spare the drain its limit.
    pub async fn shutdown(self) {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Shutdown(answer));
        // An error says that it is over already.
        let _ = answered.await;
    }

    fn command(&self, command: Command) {
        // After a shutdown there is nothing to command.
        let _ = self.commands.send(command);
    }
}

/// The same place in full. The parent of a bare file name is the empty path, which means here.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let here = Path::new(".");
    std::path::absolute(if path.as_os_str().is_empty() { here } else { path })
        .unwrap_or_else(|_| path.to_owned())
}
