//! Process-wide bounds: open files, connections. Knows nothing of what they are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crossbeam_utils::CachePadded;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files this process may open to the most it is allowed, and returns that number. Failing leaves
/// the limit as it was.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        // macOS names no hard limit but refuses to have none.
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// A bound on connections, shared by all workers.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Written by every worker once per connection opened and closed; read by the same, and by whoever shows it.
    open: Arc<CachePadded<AtomicUsize>>,
    most: usize,
}

impl Limit {
    /// At most `most` at a time.
    pub fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// Takes a place, if there is one.
    pub fn take(&self) -> Option<Slot> {
        let taken = self.open.fetch_add(1, Relaxed);
        let slot = Slot(self.open.clone());
        // Over the bound for an instant: two newcomers may both be refused the last place, none gets one too many.
        (taken < self.most).then_some(slot)
    }

    /// Places taken now.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// The bound.
    pub fn most(&self) -> usize {
        self.most
    }
}

/// One connection's place; dropping it gives it back.
#[derive(Debug)]
pub struct Slot(Arc<CachePadded<AtomicUsize>>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
