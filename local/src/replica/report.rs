//! What a replica and its owner say to each other. Knows nothing of why.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::failure::Failure;

/// What its owner wants of a replica. Only ever goes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Run,
    /// End when the last request is answered.
    Drain,
    /// End soon: the platform shuts down.
    Quick,
}

/// What a replica tells its owner.
#[derive(Debug)]
pub(crate) enum Report {
    Spawned {
        pid: u32,
        address: SocketAddr,
    },
    /// It has started, or is so slow that others need not wait for it.
    Settled,
    Ready,
    Unready,
    /// Always the last.
    Ended(End),
}

/// How a replica ended.
#[derive(Debug)]
pub(crate) struct End {
    /// How long it could take requests.
    pub(crate) ready_for: Duration,
    /// Why it ended unasked, with its last lines.
    pub(crate) failure: Option<(Failure, Vec<String>)>,
}

/// Tells the owner. A replica that vanishes (a panic) tells its end as well.
pub(crate) struct Reporter {
    pub(crate) to: mpsc::UnboundedSender<(u64, Report)>,
    pub(crate) id: u64,
    pub(crate) ended: bool,
}

impl Reporter {
    pub(super) fn tell(&self, report: Report) {
        // The owner outlives its replicas; if not, everything is coming down.
        let _ = self.to.send((self.id, report));
    }

    pub(super) fn end(mut self, end: End) {
        self.ended = true;
        self.tell(Report::Ended(end));
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if !self.ended {
            let failure =
                Failure::cannot_run("the task that watches it ended; this is a bug of forebay".to_owned());
            self.tell(Report::Ended(End { ready_for: Duration::ZERO, failure: Some((failure, Vec::new())) }));
        }
    }
}
