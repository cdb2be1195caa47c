//! Names as the data plane needs them: clusters by dense index, and texts that thousands of resources share stored once.
//! Knows nothing of what a name stands for.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use foldhash::HashSet;
use forebay_base::tree::Tree;
use forebay_route::{ClusterIx, ForwardSettings, RouteMatch, Upgrades};

use crate::cluster::ClusterSettings;
use crate::read::KnownTls;
use crate::revision::RevisionBounds;

/// A freed index rests this long before another cluster gets it: longer than any worker needs to take over an update, so
/// that a request which still has the old table cannot end in somebody else's cluster.
const REST: Duration = Duration::from_secs(60);

/// Interned names.
#[derive(Default)]
pub(crate) struct Names {
    by_name: Tree<Arc<str>, ClusterIx>,
    slots: Vec<Slot>,
    /// Indices nobody holds, since when, oldest first.
    resting: VecDeque<(Instant, ClusterIx)>,
    /// Indices that have rested.
    free: Vec<ClusterIx>,
    /// Indices that nobody held when last seen: looked at when the change is over.
    loose: Vec<ClusterIx>,
    texts: HashSet<Arc<str>>,
    /// TLS settings by what they consist of.
    pub(crate) tls: KnownTls,
    pub(crate) cluster_settings: Recent<ClusterSettings>,
    pub(crate) revision_bounds: Recent<RevisionBounds>,
    /// What routes say of upgrades.
    pub(crate) upgrades: Recent<Upgrades>,
    /// When routes apply.
    pub(crate) matchers: Recent<RouteMatch>,
    /// How routes send on.
    pub(crate) forwards: Recent<ForwardSettings>,
    /// How many texts there were after the last sweep.
    swept: usize,
}

/// Values of which thousands are the same, or are of a few kinds: those read last.
pub(crate) struct Recent<T>(VecDeque<Weak<T>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq> Recent<T> {
    /// Kinds that are looked through; what is not among them is kept once more, which costs memory and nothing else.
    const KINDS: usize = 16;

    /// One `Arc` for equal values.
    pub(crate) fn one(&mut self, value: T) -> Arc<T> {
        let found = self.0.iter().position(|known| known.upgrade().is_some_and(|known| *known == value));
        if let Some(at) = found
            && let Some(known) = self.0.remove(at)
        {
            // What is used stays among them.
            self.0.push_front(known);
            if let Some(known) = self.0[0].upgrade() {
                return known;
            }
        }
        let value = Arc::new(value);
        self.0.truncate(Self::KINDS - 1);
        self.0.push_front(Arc::downgrade(&value));
        value
    }
}

#[derive(Default)]
struct Slot {
    name: Option<Arc<str>>,
    holders: u32,
}

impl Names {
    /// The index of a cluster, whether or not the cluster exists. Somebody has to [`hold`](Names::hold) it before the
    /// change is [`settle`](Names::settle)d, or it is free again.
    pub(crate) fn cluster(&mut self, name: &str) -> ClusterIx {
        if let Some(&ix) = self.by_name.get(name) {
            return ix;
        }
        let name = self.text(name);
        let ix = match self.free.pop() {
            Some(ix) => ix,
            None => {
                self.slots.push(Slot::default());
                ClusterIx((self.slots.len() - 1) as u32)
            }
        };
        self.slots[ix.0 as usize] = Slot { name: Some(name.clone()), holders: 0 };
        self.by_name.insert(name, ix);
        self.loose.push(ix);
        ix
    }

    /// The index of a cluster that somebody names.
    pub(crate) fn known(&self, name: &str) -> Option<ClusterIx> {
        self.by_name.get(name).copied()
    }

    /// The cluster of an index.
    pub(crate) fn name(&self, ix: ClusterIx) -> Option<&Arc<str>> {
        self.slots.get(ix.0 as usize)?.name.as_ref()
    }

    /// One more resource names this cluster.
    pub(crate) fn hold(&mut self, ix: ClusterIx) {
        self.slots[ix.0 as usize].holders += 1;
    }

    /// One resource less names this cluster.
    pub(crate) fn release(&mut self, ix: ClusterIx) {
        let slot = &mut self.slots[ix.0 as usize];
        slot.holders -= 1;
        if slot.holders == 0 {
            self.loose.push(ix);
        }
    }

    /// The change is over: what nobody holds is given back.
    pub(crate) fn settle(&mut self, now: Instant) {
        for ix in std::mem::take(&mut self.loose) {
            let slot = &mut self.slots[ix.0 as usize];
            if slot.holders == 0
                && let Some(name) = slot.name.take()
            {
                self.by_name.remove(&name);
                self.resting.push_back((now, ix));
            }
        }
        while let Some(&(since, ix)) = self.resting.front()
            && now.saturating_duration_since(since) >= REST
        {
            self.resting.pop_front();
            self.free.push(ix);
        }
        // Twice what the last sweep left: every text is looked at a bounded number of times.
        if self.texts.len() > 2 * self.swept + 64 {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.swept = self.texts.len();
        }
    }

    /// One `Arc` for equal texts.
    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }
}
