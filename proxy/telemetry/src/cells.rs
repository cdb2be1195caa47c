//! Single-writer cells: one worker writes without a lock prefix, any thread reads. Knows no names.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crossbeam_utils::CachePadded;

use crate::histogram::Histogram;
use crate::scopes::{Cluster, Http, Scope};

/// One worker's statistics of one thing (a connection manager, a listener, a cluster).
///
/// Not `Send`: the thread that made it is its only writer, so an increment is a plain load and store. Clones write to
/// the same cells. Dropping the last one retires the numbers; they stay in the totals.
pub struct Stats<S: Scope> {
    block: Arc<CachePadded<S::Block>>,
    _one_thread: PhantomData<Rc<()>>,
}

impl<S: Scope> Stats<S> {
    pub(crate) fn new(block: Arc<CachePadded<S::Block>>) -> Self {
        Self { block, _one_thread: PhantomData }
    }

    /// Counts one, or raises a gauge by one.
    #[inline]
    pub fn inc(&self, stat: S) {
        self.add(stat, 1);
    }

    /// Counts `n`.
    #[inline]
    pub fn add(&self, stat: S, n: u64) {
        bump(&self.block.counters()[stat.index()], n);
    }

    /// Lowers a gauge by one. A gauge is raised and lowered by the same worker.
    #[inline]
    pub fn dec(&self, stat: S) {
        bump(&self.block.counters()[stat.index()], u64::MAX);
    }

    /// Records a duration in microseconds.
    #[inline]
    pub fn record(&self, time: S::Time, micros: u64) {
        self.block.times()[S::time_index(time)].get_or_init(Box::default).record(micros);
    }

    /// What this worker counted so far.
    pub fn value(&self, stat: S) -> u64 {
        self.block.counters()[stat.index()].load(Relaxed)
    }
}

impl<S: Scope> Clone for Stats<S> {
    fn clone(&self) -> Self {
        Self::new(self.block.clone())
    }
}

impl Stats<Http> {
    /// A response went out whole: counts it and its class.
    #[inline]
    pub fn completed(&self, status: u16) {
        self.inc(Http::DownstreamRqCompleted);
        match status / 100 {
            1 => self.inc(Http::DownstreamRq1xx),
            2 => self.inc(Http::DownstreamRq2xx),
            3 => self.inc(Http::DownstreamRq3xx),
            4 => self.inc(Http::DownstreamRq4xx),
            5 => self.inc(Http::DownstreamRq5xx),
            _ => {}
        }
    }
}

impl Stats<Cluster> {
    /// A response of this cluster (or one made in its name) is complete: counts it, its class and its code.
    #[inline]
    pub fn completed(&self, status: u16) {
        self.inc(Cluster::UpstreamRqCompleted);
        match status / 100 {
            1 => self.inc(Cluster::UpstreamRq1xx),
            2 => self.inc(Cluster::UpstreamRq2xx),
            3 => self.inc(Cluster::UpstreamRq3xx),
            4 => self.inc(Cluster::UpstreamRq4xx),
            5 => self.inc(Cluster::UpstreamRq5xx),
            _ => {}
        }
        self.block.codes().count(status);
    }
}

/// The storage behind one [`Stats`]. Public only because [`Scope`] names it.
pub struct Block<const COUNTERS: usize, const TIMES: usize> {
    counters: [AtomicU64; COUNTERS],
    /// Boxed on first use: most clusters never wait, and most listeners measure nothing.
    times: [OnceLock<Box<Histogram>>; TIMES],
    codes: Codes,
}

impl<const C: usize, const T: usize> Default for Block<C, T> {
    fn default() -> Self {
        Self {
            counters: [const { AtomicU64::new(0) }; C],
            times: [const { OnceLock::new() }; T],
            codes: Codes::default(),
        }
    }
}

/// A block seen without its sizes.
pub trait Cells: Send + Sync + 'static {
    /// One cell per counter or gauge, in the order of the scope's definitions.
    fn counters(&self) -> &[AtomicU64];
    /// One histogram per measured time.
    fn times(&self) -> &[OnceLock<Box<Histogram>>];
    /// Responses by status code.
    fn codes(&self) -> &Codes;
}

impl<const C: usize, const T: usize> Cells for Block<C, T> {
    #[inline]
    fn counters(&self) -> &[AtomicU64] {
        &self.counters
    }

    #[inline]
    fn times(&self) -> &[OnceLock<Box<Histogram>>] {
        &self.times
    }

    #[inline]
    fn codes(&self) -> &Codes {
        &self.codes
    }
}

impl<T: Cells> Cells for CachePadded<T> {
    fn counters(&self) -> &[AtomicU64] {
        (**self).counters()
    }

    fn times(&self) -> &[OnceLock<Box<Histogram>>] {
        (**self).times()
    }

    fn codes(&self) -> &Codes {
        (**self).codes()
    }
}

/// Responses by exact status code: a small open-addressed table, a slot packs code and count.
#[derive(Default)]
pub struct Codes {
    slots: [AtomicU64; CODES],
}

/// Distinct codes counted apart: two cache lines. A service that answers with more kinds than this has the rest
/// counted by class only.
const CODES: usize = 16;
/// The code sits above 48 bits of count: 2.8e14 responses.
const CODE_SHIFT: u32 = 48;

impl Codes {
    #[inline]
    fn count(&self, status: u16) {
        // 200 and 503 and their neighbours spread well enough by their low bits.
        let home = usize::from(status);
        for step in 0..CODES {
            let slot = &self.slots[(home + step) % CODES];
            let packed = slot.load(Relaxed);
            if packed == 0 {
                slot.store(u64::from(status) << CODE_SHIFT | 1, Relaxed);
                return;
            }
            if packed >> CODE_SHIFT == u64::from(status) {
                slot.store(packed + 1, Relaxed);
                return;
            }
        }
    }

    /// Every code seen, with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.slots
            .iter()
            .map(|slot| slot.load(Relaxed))
            .filter(|&packed| packed != 0)
            .map(|packed| ((packed >> CODE_SHIFT) as u16, packed & ((1 << CODE_SHIFT) - 1)))
    }
}

/// Adds to a cell that only the calling thread writes.
#[inline]
pub(crate) fn bump(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}
