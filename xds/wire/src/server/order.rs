//! Who waits for whom between the types of one stream. Knows nothing of names or messages.

use std::time::Instant;

use super::HOLD;
use super::lane::Lane;
use crate::kind::Kind;

/// How far into the history one type may go now.
#[derive(Debug, Clone, Copy)]
pub struct Horizons {
    /// Additions up to here may be sent.
    pub(super) additions: u64,
    /// Removals up to here may be sent.
    pub(super) removals: u64,
    /// Removals may be sent at all.
    pub(super) may_remove: bool,
}

impl Horizons {
    /// The horizons of the lane at `at`. Types that the stream did not subscribe to hold nobody back.
    pub(super) fn of(lanes: &[Lane], at: usize, head: u64, now: Instant) -> Self {
        let Some(lane) = lanes.get(at) else {
            return Self { additions: head, removals: head, may_remove: true };
        };
        // Whoever keeps a response for too long no longer counts: it must not starve the others.
        let waits = |other: &&Lane| other.in_flight.as_ref().is_none_or(|flight| now < flight.at + HOLD);
        let others =
            || lanes.iter().enumerate().filter(move |(i, _)| *i != at).map(|(_, other)| other).filter(waits);
        let additions = others().filter_map(|other| additions_wait(lane.kind, other)).min().unwrap_or(head);
        let removals = others()
            .filter(|other| lane.kind.referrers().contains(&other.kind))
            .map(Lane::answered_up_to)
            .min()
            .unwrap_or(head);
        let may_remove = lane.removals_from.is_none_or(|from| now >= from);
        let removals = if may_remove { removals.min(head) } else { lane.removals };
        Self { additions: additions.min(head), removals, may_remove }
    }

    /// There may be removals this lane has yet to learn of.
    pub(super) fn looks_back(self, lane: &Lane) -> bool {
        self.removals > lane.removals
    }
}

/// Up to where `other` lets additions of a type go; none when it does not mind. Additions wait for additions only: were
/// they to wait for removals, which wait for additions, both would wait for ever.
fn additions_wait(kind: Kind, other: &Lane) -> Option<u64> {
    if other.kind >= kind {
        return None;
    }
    match (other.kind, kind) {
        // The stream is ordered: endpoints sent after their cluster arrive after it, and need not wait for the ACK.
        (Kind::Cluster, Kind::Endpoints) => Some(other.sent_up_to()),
        // A route must not arrive before the cluster it names is in use, which only the ACK tells.
        (Kind::Cluster | Kind::Endpoints, Kind::Listener | Kind::Route | Kind::VirtualHost) => {
            Some(other.additions_answered())
        }
        (Kind::Listener, Kind::Route | Kind::VirtualHost) | (Kind::Route, Kind::VirtualHost) => {
            Some(other.sent_up_to())
        }
        _ => None,
    }
}
