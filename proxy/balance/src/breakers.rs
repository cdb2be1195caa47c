//! Circuit breakers: how much of a cluster is in use at once, over all workers. Knows the counts and not what they count.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_utils::CachePadded;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Connections that are open or being opened.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests in flight.
    Requests,
    /// Tries after the first in flight.
    Retries,
}

/// How many priorities there are, each with limits of its own.
const PRIORITIES: usize = 2;
const USES: usize = 4;

/// The counts of one cluster, made with its first request: most clusters of a large table have none.
#[derive(Default)]
pub struct Breakers {
    /// Each written by requests (or connections) of all workers at entry and exit, and read by them at entry: a line each.
    counts: OnceLock<Box<[CachePadded<AtomicU32>; PRIORITIES * USES]>>,
}

impl Breakers {
    /// Counts one more, unless there are `limit` already.
    #[inline]
    pub fn enter(&self, what: Use, high: bool, limit: u32) -> bool {
        let count = self.cell(what, high);
        if count.fetch_add(1, Ordering::Relaxed) < limit {
            return true;
        }
        count.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Counts one that no limit keeps out.
    pub fn force(&self, what: Use, high: bool) {
        self.cell(what, high).fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one less.
    #[inline]
    pub fn leave(&self, what: Use, high: bool) {
        self.cell(what, high).fetch_sub(1, Ordering::Relaxed);
    }

    /// How many there are now.
    pub fn count(&self, what: Use, high: bool) -> u32 {
        self.counts.get().map_or(0, |_| self.cell(what, high).load(Ordering::Relaxed))
    }

    #[inline]
    fn cell(&self, what: Use, high: bool) -> &AtomicU32 {
        let counts = self.counts.get_or_init(Box::default);
        &counts[usize::from(high) * USES + what as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_passed_and_each_use_has_its_own() {
        let breakers = Breakers::default();
        assert_eq!(breakers.count(Use::Requests, false), 0);
        assert!(breakers.enter(Use::Requests, false, 2) && breakers.enter(Use::Requests, false, 2));
        assert!(!breakers.enter(Use::Requests, false, 2));
        assert_eq!(breakers.count(Use::Requests, false), 2, "who was kept out counts no more");
        assert!(breakers.enter(Use::Requests, true, 1), "another priority");
        assert!(breakers.enter(Use::Retries, false, 1), "another use");
        breakers.leave(Use::Requests, false);
        assert!(breakers.enter(Use::Requests, false, 2));
        assert!(!breakers.enter(Use::Pending, false, 0));
    }

    #[test]
    fn workers_together_pass_no_limit() {
        let breakers = Breakers::default();
        let peak = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        if breakers.enter(Use::Requests, false, 3) {
                            // The count of those inside, by whoever is inside, is at most the limit and the few that look.
                            peak.fetch_max(1, Ordering::Relaxed);
                            breakers.leave(Use::Requests, false);
                        }
                    }
                });
            }
        });
        assert_eq!(peak.into_inner(), 1);
        assert_eq!(breakers.count(Use::Requests, false), 0, "every one of them has left");
    }
}
