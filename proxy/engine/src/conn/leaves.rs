//! The end of a connection that nothing is wrong with: it is old, or its listener drains. Knows no protocol.

use forebay_net::{Micros, Phase};
use forebay_telemetry::Http;

use super::Listening;
use crate::worker::Worker;

/// When a connection is to go though nothing is wrong with it: from then on answers tell the client, and one without a request
/// ends soon. `None`: there is no such moment so far.
#[derive(Clone, Copy)]
pub(super) struct Leaves(pub(super) Option<Micros>);

impl Leaves {
    /// For a connection that has just come.
    pub(super) fn new(worker: &Worker, on: &Listening) -> Self {
        let longest = on.http().manager.max_connection_duration;
        Self((!longest.is_zero()).then(|| worker.clock.tick().after(longest)))
    }

    /// A drain has begun: idle connections are spread over its last third, so that the drain timeout after it still belongs
    /// to it. Returns whether that is sooner.
    #[cold]
    pub(super) fn drain(&mut self, worker: &Worker, on: &Listening) -> bool {
        let patience = on.http().manager.drain_timeout;
        let Some(from_now) = worker.drain.idle_leaves(on.inbound.get(), patience, &worker.rng) else {
            return false;
        };
        let at = worker.clock.tick().after(from_now);
        let sooner = self.0.is_none_or(|leaves| at < leaves);
        if sooner {
            self.0 = Some(at);
        }
        sooner
    }

    pub(super) fn have_come(self, now: Micros) -> bool {
        self.0.is_some_and(|at| now >= at)
    }

    /// What has made it go.
    pub(super) fn why(worker: &Worker) -> Http {
        match worker.drain.phase() {
            Phase::Running => Http::DownstreamCxMaxDurationReached,
            _ => Http::DownstreamCxDrainClose,
        }
    }
}
