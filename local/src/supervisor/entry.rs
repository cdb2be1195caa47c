//! One revision's replicas. Knows nothing of other revisions.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use forebay_knative::RevisionKey;
use forebay_knative::api::Revision;
use tokio::sync::watch;

use super::queue::Rank;
use crate::backoff::Backoff;
use crate::platform::{ReplicaState, ReplicaStatus, Status, Urgency};
use crate::replica::Phase;

/// A known revision. Small, for most are at zero: what only a running or failing one needs is behind a pointer.
pub(crate) struct Entry {
    pub(crate) revision: Arc<Revision>,
    pub(crate) base_dir: Arc<Path>,
    pub(crate) want: u32,
    pub(crate) urgency: Urgency,
    /// To be forgotten when its last replica is gone.
    pub(crate) removed: bool,
    active: Option<Box<Active>>,
}

#[derive(Default)]
struct Active {
    /// In order of age.
    slots: Vec<Slot>,
    backoff: Backoff,
    last_failure: Option<(String, String)>,
    /// The count of failures that was told last.
    told: u32,
}

/// One replica's place.
pub(crate) struct Slot {
    id: u64,
    number: u32,
    state: ReplicaState,
    since: Instant,
    /// It is in a queue of those that requests wait for.
    urgent: bool,
    /// It counts as starting, and as one of these.
    pub(crate) starts_as: Option<Rank>,
    pub(crate) process: Option<(u32, SocketAddr)>,
    phase: watch::Sender<Phase>,
}

impl Slot {
    pub(crate) fn turn(&mut self, state: ReplicaState) {
        // A replica that is being stopped may still report; it stays stopping.
        if self.state != ReplicaState::Stopping {
            self.state = state;
            self.since = Instant::now();
        }
    }

    fn stop(&mut self, phase: Phase) {
        self.turn(ReplicaState::Stopping);
        self.phase.send_if_modified(|now| {
            let changed = *now < phase;
            *now = (*now).max(phase);
            changed
        });
    }
}

impl Entry {
    pub(crate) fn new(revision: Arc<Revision>, base_dir: Arc<Path>) -> Self {
        Self { revision, base_dir, want: 0, urgency: Urgency::Routine, removed: false, active: None }
    }

    /// The facts for the next starts.
    pub(crate) fn renew(&mut self, revision: Arc<Revision>, base_dir: Arc<Path>) {
        (self.revision, self.base_dir, self.removed) = (revision, base_dir, false);
    }

    /// Replicas that are not on their way out.
    pub(crate) fn live(&self) -> usize {
        self.slots().iter().filter(|slot| slot.state != ReplicaState::Stopping).count()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.slots().is_empty()
    }

    pub(crate) fn is_queued(&self, id: u64) -> bool {
        self.slots().iter().any(|slot| slot.id == id && slot.state == ReplicaState::Queued)
    }

    pub(crate) fn backoff_mut(&mut self) -> &mut Backoff {
        &mut self.active().backoff
    }

    pub(crate) fn backoff_until(&self, now: Instant) -> Option<Instant> {
        self.active.as_ref()?.backoff.until(now)
    }

    pub(crate) fn with(&mut self, id: u64, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots_mut().iter_mut().find(|slot| slot.id == id) {
            change(slot);
        }
    }

    pub(crate) fn became_ready(&mut self, id: u64) {
        self.with(id, |slot| slot.turn(ReplicaState::Ready));
        self.active().last_failure = None;
    }

    /// Keeps the failure for [`status`](Self::status); says whether it should be told.
    pub(crate) fn note_failure(&mut self, reason: &str, message: &str) -> bool {
        let active = self.active();
        active.last_failure = Some((reason.to_owned(), message.to_owned()));
        let tell = active.backoff.worth_telling() && active.told != active.backoff.failures();
        active.told = active.backoff.failures();
        tell
    }

    /// Forgets a replica that is gone.
    pub(crate) fn take(&mut self, id: u64) {
        self.slots_mut().retain(|slot| slot.id != id);
    }

    /// Adds queued replicas up to what is wanted; the ids to queue. Those queued before are among them when they have
    /// become urgent.
    pub(crate) fn grow(&mut self, next_id: &mut u64) -> Vec<u64> {
        let mut want = self.want as usize;
        let ready = self.slots().iter().any(|slot| slot.state == ReplicaState::Ready);
        if !ready && self.active.as_ref().is_some_and(|active| active.backoff.failures() > 1) {
            // One is enough to see whether it still fails.
            want = want.min(1);
        }
        let mut ids = Vec::new();
        let urgent = self.urgency == Urgency::Waiting;
        if urgent && !self.is_idle() {
            let queued = |slot: &&mut Slot| slot.state == ReplicaState::Queued && !slot.urgent;
            ids.extend(self.slots_mut().iter_mut().filter(queued).map(|slot| {
                slot.urgent = true;
                slot.id
            }));
        }
        for _ in self.live()..want {
            let slots = &mut self.active().slots;
            let number = (0..).find(|n| slots.iter().all(|slot| slot.number != *n)).unwrap_or_default();
            let id = *next_id;
            *next_id += 1;
            slots.push(Slot {
                id,
                number,
                state: ReplicaState::Queued,
                since: Instant::now(),
                urgent,
                starts_as: None,
                process: None,
                phase: watch::Sender::new(Phase::Run),
            });
            ids.push(id);
        }
        ids
    }

    /// How soon a queued replica is needed.
    pub(crate) fn rank(&self, id: u64) -> Rank {
        let eldest = self.slots().iter().find(|slot| slot.state != ReplicaState::Stopping);
        match self.urgency {
            Urgency::Routine => Rank::Routine,
            Urgency::Waiting if eldest.is_some_and(|slot| slot.id == id) => Rank::First,
            Urgency::Waiting => Rank::Further,
        }
    }

    /// Lets go of replicas above what is wanted: first those that have not started, then the youngest.
    pub(crate) fn shrink(&mut self, phase: Phase) {
        let mut surplus = self.live().saturating_sub(self.want as usize);
        if surplus == 0 {
            return;
        }
        let slots = self.slots_mut();
        for at in (0..slots.len()).rev() {
            if surplus > 0 && slots[at].state == ReplicaState::Queued {
                slots.remove(at);
                surplus -= 1;
            }
        }
        let rank = |state| match state {
            ReplicaState::Starting => 0,
            ReplicaState::Unready => 1,
            _ => 2,
        };
        let mut candidates: Vec<usize> =
            (0..slots.len()).filter(|&at| slots[at].state != ReplicaState::Stopping).collect();
        candidates.sort_by_key(|&at| (rank(slots[at].state), std::cmp::Reverse(slots[at].id)));
        for &at in candidates.iter().take(surplus) {
            slots[at].stop(phase);
        }
    }

    /// Those that drain may take less time about it.
    pub(crate) fn hurry(&mut self) {
        for slot in self.slots_mut().iter_mut().filter(|slot| slot.state == ReplicaState::Stopping) {
            slot.stop(Phase::Quick);
        }
    }

    /// A queued replica starts: its number, and what it listens to.
    pub(crate) fn begin(&mut self, id: u64, rank: Rank) -> Option<(u32, watch::Receiver<Phase>)> {
        let slot = self.slots_mut().iter_mut().find(|slot| slot.id == id)?;
        slot.turn(ReplicaState::Starting);
        slot.starts_as = Some(rank);
        Some((slot.number, slot.phase.subscribe()))
    }

    /// Gives back what an idle revision does not need.
    pub(crate) fn tidy(&mut self) {
        let idle = |active: &Active| {
            active.slots.is_empty() && active.backoff.failures() == 0 && active.last_failure.is_none()
        };
        if self.active.as_deref().is_some_and(idle) {
            self.active = None;
        }
    }

    pub(crate) fn status(&self, key: &RevisionKey) -> Status {
        let replicas = self.slots().iter().map(|slot| ReplicaStatus {
            number: slot.number,
            state: slot.state,
            since: slot.since,
            process: slot.process,
        });
        Status {
            key: key.clone(),
            wanted: self.want,
            replicas: replicas.collect(),
            failures: self.active.as_ref().map_or(0, |active| active.backoff.failures()),
            last_failure: self.active.as_ref().and_then(|active| active.last_failure.clone()),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_bare(&self) -> bool {
        self.active.is_none()
    }

    fn active(&mut self) -> &mut Active {
        self.active.get_or_insert_default()
    }

    fn slots(&self) -> &[Slot] {
        self.active.as_ref().map_or(&[], |active| &active.slots)
    }

    fn slots_mut(&mut self) -> &mut Vec<Slot> {
        &mut self.active().slots
    }
}
