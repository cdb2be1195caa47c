//! Blocks of every thing, live and given up, and their sums. Knows no worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::Totals;
use crate::scopes::{Cluster, Http, Listener, Scope};

/// All things by family and name.
#[derive(Default)]
pub(super) struct Families {
    pub(super) http: Entries<Http>,
    pub(super) listeners: Entries<Listener>,
    pub(super) clusters: Entries<Cluster>,
}

impl Families {
    pub(super) fn reset_counters(&mut self) {
        self.http.reset();
        self.listeners.reset();
        self.clusters.reset();
    }
}

pub(super) struct Entries<S: Scope> {
    pub(super) entries: BTreeMap<Arc<str>, Entry<S>>,
}

impl<S: Scope> Default for Entries<S> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<S: Scope> Entries<S> {
    pub(super) fn insert(&mut self, name: Arc<str>, block: Arc<CachePadded<S::Block>>) {
        let entry = self.entries.entry(name).or_default();
        // Here and not only in `fold`: a worker that lets go of a cluster and meets it again, over and over, must not
        // pile up blocks that nobody looks at.
        entry.retire();
        entry.live.push(block);
    }

    pub(super) fn fold_all(&mut self) -> Vec<(Arc<str>, Totals<S>)> {
        self.entries.iter_mut().map(|(name, entry)| (name.clone(), entry.fold())).collect()
    }

    fn reset(&mut self) {
        for entry in self.entries.values_mut() {
            let seen = entry.fold();
            entry.retired.forget(&seen);
        }
    }
}

/// Blocks of one thing.
pub(super) struct Entry<S: Scope> {
    /// What blocks counted that their workers have given up.
    retired: Totals<S>,
    pub(super) live: Vec<Arc<CachePadded<S::Block>>>,
}

impl<S: Scope> Default for Entry<S> {
    fn default() -> Self {
        Self { retired: Totals::default(), live: Vec::new() }
    }
}

impl<S: Scope> Entry<S> {
    fn retire(&mut self) {
        let retired = &mut self.retired;
        self.live.retain_mut(|block| {
            // `get_mut` also orders the worker's last writes before our reads, which the count alone would not.
            let abandoned = Arc::get_mut(block).is_some();
            if abandoned {
                retired.add(&**block);
            }
            !abandoned
        });
    }

    pub(super) fn fold(&mut self) -> Totals<S> {
        self.retire();
        let mut totals = self.retired.clone();
        for block in &self.live {
            totals.add(&**block);
        }
        totals
    }
}
