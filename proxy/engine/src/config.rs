//! One worker's mirror of the configuration: clusters by index, tables by name. Knows no sockets.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use forebay_balance::{Breakers, Meter, Turn};
use forebay_model::Cluster;
use forebay_route::{ClusterIx, Table};
use forebay_telemetry::{ClusterStats, Source};
use hashbrown::HashMap;

/// A cluster as one worker sees it. The object outlives updates; what it holds is replaced.
pub(crate) struct ClusterState {
    current: RefCell<Rc<Cluster>>,
    /// This worker's part of the revision's concurrency.
    pub(crate) meter: Meter,
    /// When the meter was last read, in the worker's microseconds.
    pub(crate) since: Cell<u64>,
    /// Waiting requests that the autoscaler was last told of, all workers'.
    pub(crate) told: Cell<u32>,
    /// Whether the meter is on the list of those that have something to say.
    pub(crate) listed: Cell<bool>,
    /// All workers' uses of the cluster.
    pub(crate) breakers: Arc<Breakers>,
    /// Whose turn it is among the endpoints.
    pub(crate) turn: Turn,
    stats: OnceCell<ClusterStats>,
}

impl ClusterState {
    fn new(cluster: &Cluster) -> Self {
        Self {
            current: RefCell::new(Rc::new(cluster.clone())),
            meter: Meter::default(),
            since: Cell::new(0),
            told: Cell::new(0),
            listed: Cell::new(false),
            breakers: cluster.breakers.clone(),
            turn: Turn::default(),
            stats: OnceCell::new(),
        }
    }

    /// What is in force now; a request keeps what it began with.
    #[inline]
    pub(crate) fn now(&self) -> Rc<Cluster> {
        self.current.borrow().clone()
    }

    /// This worker's counters, made on first use so that an idle revision has none.
    #[inline]
    pub(crate) fn stats(&self, source: &Source) -> &ClusterStats {
        self.stats.get_or_init(|| source.cluster(&self.current.borrow().config.name))
    }
}

impl ClusterState {
    /// The counters, if anything was counted.
    #[inline]
    pub(crate) fn counted(&self) -> Option<&ClusterStats> {
        self.stats.get()
    }
}

/// What a worker has of a cluster. One that no request has been for costs it a word: most revisions are at zero.
#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Unused(Arc<Cluster>),
    Used(Rc<ClusterState>),
}

impl Slot {
    fn name(&self) -> Option<Arc<str>> {
        match self {
            Slot::Empty => None,
            Slot::Unused(cluster) => Some(cluster.config.name.clone()),
            Slot::Used(state) => Some(state.now().config.name.clone()),
        }
    }
}

/// The mirror.
#[derive(Default)]
pub(crate) struct Config {
    clusters: RefCell<Vec<Slot>>,
    tables: RefCell<HashMap<Arc<str>, Rc<Table>, foldhash::fast::FixedState>>,
    /// Clusters by name, from the first request on that names its cluster itself; without such routes it is never made.
    names: RefCell<Option<HashMap<Arc<str>, ClusterIx, foldhash::fast::FixedState>>>,
}

impl Config {
    /// The cluster of an index.
    #[inline]
    pub(crate) fn cluster(&self, ix: ClusterIx) -> Option<Rc<ClusterState>> {
        let mut clusters = self.clusters.borrow_mut();
        let slot = clusters.get_mut(ix.0 as usize)?;
        match slot {
            Slot::Used(state) => Some(state.clone()),
            Slot::Empty => None,
            Slot::Unused(cluster) => {
                let state = Rc::new(ClusterState::new(cluster));
                *slot = Slot::Used(state.clone());
                Some(state)
            }
        }
    }

    /// The cluster of a name that a request brought.
    pub(crate) fn cluster_called(&self, name: &[u8]) -> Option<Rc<ClusterState>> {
        let name = std::str::from_utf8(name).ok()?;
        let ix = {
            let mut names = self.names.borrow_mut();
            let names = names.get_or_insert_with(|| {
                let clusters = self.clusters.borrow();
                let named =
                    clusters.iter().zip(0..).filter_map(|(slot, at)| Some((slot.name()?, ClusterIx(at))));
                named.collect()
            });
            *names.get(name)?
        };
        self.cluster(ix)
    }

    /// The table of a name.
    #[inline]
    pub(crate) fn table(&self, name: &str) -> Option<Rc<Table>> {
        self.tables.borrow().get(name).cloned()
    }

    pub(crate) fn set_table(&self, name: &Arc<str>, table: Option<&Arc<Table>>) {
        let mut tables = self.tables.borrow_mut();
        match table {
            Some(table) => drop(tables.insert(name.clone(), Rc::new((**table).clone()))),
            None => drop(tables.remove(name)),
        }
    }

    /// Replaces a cluster; the ids of endpoints that it no longer has.
    pub(crate) fn set_cluster(&self, ix: ClusterIx, cluster: Option<&Arc<Cluster>>) -> Vec<u64> {
        let mut clusters = self.clusters.borrow_mut();
        let at = ix.0 as usize;
        if clusters.len() <= at {
            clusters.resize_with(at + 1, Slot::default);
        }
        let Some(slot) = clusters.get_mut(at) else { return Vec::new() };
        if let Some(names) = self.names.borrow_mut().as_mut() {
            slot.name().map(|name| names.remove(&name));
            cluster.map(|new| names.insert(new.config.name.clone(), ix));
        }
        let (Slot::Used(state), Some(new)) = (&*slot, cluster) else {
            let before =
                std::mem::replace(slot, cluster.map_or(Slot::Empty, |new| Slot::Unused(new.clone())));
            return match before {
                Slot::Used(state) => ids(&state.now()),
                Slot::Unused(_) | Slot::Empty => Vec::new(),
            };
        };
        let mut gone = ids(&state.now());
        if !gone.is_empty() {
            // Connections made with other settings of TLS are not for requests that come now.
            if state.now().config.tls == new.config.tls {
                let stay = ids(new);
                gone.retain(|id| !stay.contains(id));
            }
        }
        *state.current.borrow_mut() = Rc::new((**new).clone());
        gone
    }
}

fn ids(cluster: &Cluster) -> Vec<u64> {
    cluster.endpoints.list().iter().map(|endpoint| endpoint.id).collect()
}

#[cfg(test)]
mod tests;
