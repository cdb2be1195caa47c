//! What the platform tells. Knows nothing of who listens.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_knative::RevisionKey;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Something happened to a replica. Replicas of a revision are numbered from 0; a number is used again once its replica
/// is gone, an address names one process for as long as it lives.
#[derive(Debug)]
pub enum Event {
    /// A process runs; it is not ready yet.
    Started { key: RevisionKey, replica: u32, pid: u32, address: SocketAddr },
    /// It takes requests. Also after [`Event::Unready`].
    Ready { key: RevisionKey, replica: u32, address: SocketAddr, after: Duration },
    /// Its readiness probe failed too often: no new requests until it is `Ready` again.
    Unready { key: RevisionKey, replica: u32, address: SocketAddr, message: String },
    /// It is about to be stopped. Answer `done` (or drop it) once no proxy will choose it any more; SIGTERM follows when
    /// its connections are closed as well.
    Draining { key: RevisionKey, replica: u32, address: SocketAddr, done: oneshot::Sender<()> },
    /// Its address is dead: the process ended, or is being killed for a failed liveness probe. Only for a replica that
    /// was `Ready` once.
    Gone { key: RevisionKey, replica: u32, address: SocketAddr },
    /// A replica could not start, ended unasked, or will never be ready. While replicas are wanted the platform tries
    /// again; the message says when. Repeats are told ever less often.
    Failed {
        key: RevisionKey,
        /// One word as Kubernetes and Knative have them: `ContainerCannotRun`, `ContainerMissing`,
        /// `CreateContainerConfigError`, `ExitCode3`, `ProgressDeadlineExceeded`, `Unhealthy`, `WrongPort`.
        reason: String,
        /// For people: what, where, and what happens next.
        message: String,
        /// The last lines the replica wrote, oldest first.
        last_log: Vec<String>,
    },
    /// Worth a line, changes nothing: a slow start, a log file that cannot be written.
    Notice { key: RevisionKey, replica: u32, message: String },
    /// A line the program wrote: valid UTF-8 of at most 16 KiB, without control characters other than tab and colours.
    /// Drop the event soon: the lines in flight are bounded, and a program that writes faster is held up for a moment,
    /// then loses lines here (not in its file), which a [`Event::Notice`] says.
    Log { key: RevisionKey, replica: u32, stream: Stream, line: String, room: Room },
}

/// Where a line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The room a line takes among those in flight; given back on drop.
pub struct Room(#[expect(dead_code, reason = "held for its drop")] pub(crate) OwnedSemaphorePermit);

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}
