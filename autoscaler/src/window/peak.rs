//! The largest of the values seen lately: what a scale-down delay holds on to. Knows nothing of replicas.

use std::collections::VecDeque;
use std::time::Duration;

use crate::moment::{Moment, nanos};

/// A sliding maximum with a granularity: values of one stretch count as one, the largest.
#[derive(Debug, Clone)]
pub struct Peak {
    /// (stretch, value), values falling from front to back: an older value that is not larger can never be the maximum
    /// again.
    falling: VecDeque<(u64, u32)>,
    /// How many stretches a value lasts.
    lasts: u64,
    /// Nanoseconds of one stretch.
    granularity: u64,
}

impl Peak {
    /// Nothing seen yet; values last `duration`, rounded up to whole stretches of `granularity`.
    pub fn new(duration: Duration, granularity: Duration) -> Self {
        let mut peak = Self { falling: VecDeque::new(), lasts: 1, granularity: nanos(granularity).max(1) };
        peak.last_for(duration);
        peak
    }

    /// Changes how long values last, those already seen included.
    pub fn last_for(&mut self, duration: Duration) {
        self.lasts = nanos(duration).div_ceil(self.granularity).max(1);
    }

    /// Adds a value and returns the largest that still lasts.
    pub fn record(&mut self, now: Moment, value: u32) -> u32 {
        let now = now.stretch(self.granularity);
        while self.falling.back().is_some_and(|&(_, last)| last <= value) {
            self.falling.pop_back();
        }
        self.forget(now);
        // What is left at the back is larger; in the same stretch it wins.
        if self.falling.back().is_none_or(|&(at, _)| at != now) {
            self.falling.push_back((now, value));
        }
        self.falling.front().map_or(value, |&(_, largest)| largest)
    }

    /// True if no value but zero lasts: forgetting everything changes nothing.
    pub fn is_level(&mut self, now: Moment) -> bool {
        self.forget(now.stretch(self.granularity));
        self.falling.iter().all(|&(_, value)| value == 0)
    }

    fn forget(&mut self, now: u64) {
        while self.falling.front().is_some_and(|&(at, _)| now.saturating_sub(at) >= self.lasts) {
            self.falling.pop_front();
        }
    }
}
