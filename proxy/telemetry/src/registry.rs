//! Folds the blocks of all workers into totals. Owned by the control thread; workers only hand in new blocks, through a
//! queue without a lock. Knows nothing of how numbers are spelled.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crossbeam_utils::CachePadded;

use crate::cells::{Cells, Stats};
use crate::histogram::Measured;
use crate::scopes::{Cluster, Def, Http, Kind, Listener, Scope};

mod entries;

use entries::Families;

/// All statistics of the process. Cheap to clone; its lock is never taken by a worker.
#[derive(Clone)]
pub struct Registry {
    inbox: mpsc::Sender<Handed>,
    state: Arc<Mutex<State>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        let (inbox, handed) = mpsc::channel();
        Self { inbox, state: Arc::new(Mutex::new(State { handed, families: Families::default() })) }
    }

    /// A source for one worker: moves into its thread.
    pub fn source(&self) -> Source {
        Source { inbox: self.inbox.clone() }
    }

    /// Folds everything. Costs what was ever used, not what is configured; keep it off the workers.
    pub fn snapshot(&self) -> Snapshot {
        self.with(|families| Snapshot {
            http: families.http.fold_all(),
            listeners: families.listeners.fold_all(),
            clusters: families.clusters.fold_all(),
            extra: Vec::new(),
            words: Vec::new(),
        })
    }

    /// Totals of one cluster; None while no worker has used it.
    pub fn cluster(&self, name: &str) -> Option<Totals<Cluster>> {
        self.with(|families| families.clusters.entries.get_mut(name).map(|entry| entry.fold()))
    }

    /// Totals of one connection manager.
    pub fn http(&self, stat_prefix: &str) -> Option<Totals<Http>> {
        self.with(|families| families.http.entries.get_mut(stat_prefix).map(|entry| entry.fold()))
    }

    /// Counters start anew from zero; gauges and histograms stay. Workers are not asked: what they counted so far is from
    /// now on subtracted.
    pub fn reset_counters(&self) {
        self.with(Families::reset_counters);
    }

    /// Forgets a cluster that the configuration dropped. Workers that still hold its block write into the void; one
    /// that meets a cluster of that name later starts it from zero, as Envoy does.
    pub fn remove_cluster(&self, name: &str) {
        self.with(|families| families.clusters.entries.remove(name));
    }

    /// Forgets a listener that the configuration dropped.
    pub fn remove_listener(&self, address: &str) {
        self.with(|families| families.listeners.entries.remove(address));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Families) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.receive();
        work(&mut state.families)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// Where one worker gets its blocks from. A block exists from the moment it is asked for: ask on first use, so that an
/// idle cluster costs nothing, and keep what you get.
#[derive(Clone)]
pub struct Source {
    inbox: mpsc::Sender<Handed>,
}

impl Source {
    /// Statistics of a connection manager.
    pub fn http(&self, stat_prefix: &Arc<str>) -> Stats<Http> {
        self.open(stat_prefix, Handed::Http)
    }

    /// Statistics of a listener, by the address it is bound to.
    pub fn listener(&self, address: &Arc<str>) -> Stats<Listener> {
        self.open(address, Handed::Listener)
    }

    /// Statistics of a cluster.
    pub fn cluster(&self, name: &Arc<str>) -> Stats<Cluster> {
        self.open(name, Handed::Cluster)
    }

    fn open<S: Scope>(
        &self,
        name: &Arc<str>,
        hand: impl FnOnce(Arc<str>, Arc<CachePadded<S::Block>>) -> Handed,
    ) -> Stats<S> {
        let block = Arc::new(CachePadded::new(S::Block::default()));
        // The registry is gone only while the process ends: then nobody will read the numbers.
        let _ = self.inbox.send(hand(name.clone(), block.clone()));
        Stats::new(block)
    }
}

/// Everything at one moment, per thing and name, sorted by name.
#[derive(Default)]
pub struct Snapshot {
    /// By `stat_prefix`.
    pub http: Vec<(Arc<str>, Totals<Http>)>,
    /// By address.
    pub listeners: Vec<(Arc<str>, Totals<Listener>)>,
    /// By cluster name.
    pub clusters: Vec<(Arc<str>, Totals<Cluster>)>,
    /// What others know: `server.live`, `cluster.<name>.membership_total`.
    pub extra: Vec<Extra>,
    /// Text readouts: `control_plane.identifier`.
    pub words: Vec<Word>,
}

impl Snapshot {
    /// Adds a number that no worker counts. `scope` names the thing it belongs to, if any: its family and its name.
    pub fn push(&mut self, scope: Option<(Family, Arc<str>)>, name: &'static str, kind: Kind, value: u64) {
        self.extra.push(Extra { scope, inner: None, def: Def { name, kind }, value });
    }

    /// The same for a thing inside a thing: `http.ingress_http.rds.external_services.update_success`.
    pub fn push_inner(
        &mut self,
        scope: (Family, Arc<str>),
        inner: (Inner, Arc<str>),
        name: &'static str,
        kind: Kind,
        value: u64,
    ) {
        self.extra.push(Extra { scope: Some(scope), inner: Some(inner), def: Def { name, kind }, value });
    }

    /// Adds a text readout of the process.
    pub fn say(&mut self, name: &'static str, value: impl Into<String>) {
        self.words.push(Word { scope: None, inner: None, name, value: value.into() });
    }
}

/// A family of things that statistics belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `http.<stat_prefix>.`
    Http,
    /// `listener.<address>.`
    Listener,
    /// `cluster.<name>.`
    Cluster,
}

/// What the things inside things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inner {
    /// `rds.<route configuration>.` of a connection manager.
    Rds,
}

/// A number that no worker counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The thing it belongs to; None for the process.
    pub scope: Option<(Family, Arc<str>)>,
    /// The thing inside that thing, if it is one.
    pub inner: Option<(Inner, Arc<str>)>,
    /// Its name: inside the scope, or whole (`server.live`).
    pub def: Def,
    /// Its value.
    pub value: u64,
}

/// A statistic that is a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The thing it belongs to; None for the process.
    pub scope: Option<(Family, Arc<str>)>,
    /// The thing inside that thing, if it is one.
    pub inner: Option<(Inner, Arc<str>)>,
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub value: String,
}

/// Numbers of one thing, folded over workers and over blocks that were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals<S: Scope> {
    counters: Box<[u64]>,
    times: Box<[Option<Measured>]>,
    codes: BTreeMap<u16, u64>,
    _scope: PhantomData<S>,
}

impl<S: Scope> Totals<S> {
    /// One counter or gauge. A gauge that two workers read in the middle of a change never shows below zero.
    pub fn get(&self, stat: S) -> u64 {
        self.at(stat.index())
    }

    /// One histogram; None while nothing was recorded.
    pub fn time(&self, time: S::Time) -> Option<&Measured> {
        self.times[S::time_index(time)].as_ref()
    }

    /// Responses by exact status code.
    pub fn codes(&self) -> &BTreeMap<u16, u64> {
        &self.codes
    }

    pub(crate) fn at(&self, index: usize) -> u64 {
        let raw = self.counters[index];
        match S::COUNTERS[index].kind {
            Kind::Gauge if raw > i64::MAX as u64 => 0,
            _ => raw,
        }
    }

    pub(crate) fn times(&self) -> &[Option<Measured>] {
        &self.times
    }

    fn add(&mut self, block: &dyn Cells) {
        for (total, cell) in self.counters.iter_mut().zip(block.counters()) {
            *total = total.wrapping_add(cell.load(Relaxed));
        }
        for (total, time) in self.times.iter_mut().zip(block.times()) {
            if let Some(time) = time.get() {
                time.fold_into(total.get_or_insert_default());
            }
        }
        for (code, n) in block.codes().iter() {
            let total = self.codes.entry(code).or_default();
            *total = total.wrapping_add(n);
        }
    }

    /// Takes what `seen` has counted off, so that the same cells add up to zero.
    fn forget(&mut self, seen: &Self) {
        for ((mine, theirs), def) in self.counters.iter_mut().zip(&seen.counters).zip(S::COUNTERS) {
            if def.kind == Kind::Counter {
                *mine = mine.wrapping_sub(*theirs);
            }
        }
        for (code, n) in &seen.codes {
            let mine = self.codes.entry(*code).or_default();
            *mine = mine.wrapping_sub(*n);
        }
    }
}

impl<S: Scope> Default for Totals<S> {
    fn default() -> Self {
        Self {
            counters: vec![0; S::COUNTERS.len()].into(),
            times: vec![None; S::TIMES.len()].into(),
            codes: BTreeMap::new(),
            _scope: PhantomData,
        }
    }
}

/// A new block on its way from a worker.
enum Handed {
    Http(Arc<str>, Arc<CachePadded<<Http as Scope>::Block>>),
    Listener(Arc<str>, Arc<CachePadded<<Listener as Scope>::Block>>),
    Cluster(Arc<str>, Arc<CachePadded<<Cluster as Scope>::Block>>),
}

struct State {
    handed: mpsc::Receiver<Handed>,
    families: Families,
}

impl State {
    fn receive(&mut self) {
        while let Ok(handed) = self.handed.try_recv() {
            match handed {
                Handed::Http(name, block) => self.families.http.insert(name, block),
                Handed::Listener(name, block) => self.families.listeners.insert(name, block),
                Handed::Cluster(name, block) => self.families.clusters.insert(name, block),
            }
        }
    }
}

#[cfg(test)]
mod tests;
