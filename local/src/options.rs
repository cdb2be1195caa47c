//! What can be set about the platform. Knows nothing of how it is used.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a [`Platform`](crate::Platform). Start from [`Options::new`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Where logs go, below `logs/`. See [`StateLock`](crate::state::StateLock).
    pub state_dir: PathBuf,
    /// Image to command line, as given with `--image IMAGE=COMMAND`. The command is split as a shell does, without
    /// running one. An image may be written with or without its tag or digest; the longer match wins.
    pub images: Vec<(String, String)>,
    /// Where the command lines of `images` are relative to. Default: the working directory.
    pub images_dir: PathBuf,
    /// Replicas that may be starting at a time. Those a request waits for may exceed it fourfold. Default: twice the
    /// processors.
    pub parallel_starts: usize,
    /// How long a replica may wait for its last connections before SIGTERM, besides its revision's `timeoutSeconds`.
    /// Default: 5 minutes, Knative's default for `timeoutSeconds`.
    pub drain_limit: Duration,
    /// The same while the platform shuts down. Default: 2 seconds.
    pub shutdown_drain_limit: Duration,
    /// Between SIGTERM and SIGKILL. Default: 10 seconds.
    pub grace: Duration,
    /// Until a replica must be ready, unless its revision says otherwise. Default: 10 minutes, as in Knative.
    pub progress_deadline: Duration,
    /// Size at which a log file is put aside as `.log.1`, in bytes. Default: 10 MiB.
    pub log_file_limit: u64,
    /// Whether a queue-proxy stands in front of each replica, as in Knative's pods: this binary with `queue-proxy`. Default: no.
    pub queue_proxy: bool,
    /// The program and arguments of the guard. Default: this binary with `__guard`, which must call
    /// [`guard_main`](crate::guard_main).
    pub guard: Option<Vec<OsString>>,
}

impl Options {
    /// The defaults.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            images: Vec::new(),
            images_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            parallel_starts: 2 * std::thread::available_parallelism().map_or(1, usize::from),
            drain_limit: Duration::from_secs(300),
            shutdown_drain_limit: Duration::from_secs(2),
            grace: Duration::from_secs(10),
            progress_deadline: Duration::from_secs(600),
            log_file_limit: 10 << 20,
            queue_proxy: false,
            guard: None,
        }
    }
}
