//! A worker's own measure of a revision's concurrency, for the autoscaler. Knows no clock: microseconds are an argument.

use std::cell::Cell;

/// Time-weighted concurrency (waiting requests included) and arrivals since the last report. One per worker and revision,
/// without atomics; reports of all workers add up ([`Sample::plus`]).
#[derive(Debug, Default)]
pub struct Meter {
    /// Requests now.
    level: Cell<u32>,
    /// When `area` was last brought up to date, in microseconds of any clock.
    last: Cell<u64>,
    /// Request-microseconds.
    area: Cell<u64>,
    /// Microseconds.
    elapsed: Cell<u64>,
    arrivals: Cell<u64>,
}

/// What a meter saw in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// Mean of concurrency over the period, weighted by time.
    pub average_concurrency: f64,
    /// Requests that began.
    pub requests: u64,
    /// Requests at the moment of the report.
    pub level: u32,
}

impl Meter {
    /// Begins at `now`, in microseconds.
    pub fn new(now: u64) -> Self {
        Self { last: Cell::new(now), ..Self::default() }
    }

    /// A request arrived.
    #[inline]
    pub fn start(&self, now: u64) {
        self.advance(now);
        self.level.set(self.level.get() + 1);
        self.arrivals.set(self.arrivals.get() + 1);
    }

    /// A request that arrived has ended, in whatever way.
    #[inline]
    pub fn end(&self, now: u64) {
        self.advance(now);
        self.level.set(self.level.get().saturating_sub(1));
    }

    /// Requests now.
    pub fn level(&self) -> u32 {
        self.level.get()
    }

    /// What happened since the last report; counts begin anew, requests in flight go on.
    pub fn report(&self, now: u64) -> Sample {
        self.advance(now);
        let (area, elapsed) = (self.area.take(), self.elapsed.take());
        // No time at all: what is running is the best that can be said.
        let average_concurrency =
            if elapsed == 0 { f64::from(self.level.get()) } else { area as f64 / elapsed as f64 };
        Sample { average_concurrency, requests: self.arrivals.take(), level: self.level.get() }
    }

    /// Time that runs backwards counts as standing still, as in Knative.
    #[inline]
    fn advance(&self, now: u64) {
        let now = now.max(self.last.get());
        let passed = now - self.last.get();
        self.area.set(self.area.get() + passed * u64::from(self.level.get()));
        self.elapsed.set(self.elapsed.get() + passed);
        self.last.set(now);
    }
}

impl Sample {
    /// Two workers' samples of the same period.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            average_concurrency: self.average_concurrency + other.average_concurrency,
            requests: self.requests + other.requests,
            level: self.level + other.level,
        }
    }

    /// Whether nothing ran and nothing came.
    pub fn is_idle(&self) -> bool {
        self.average_concurrency == 0.0 && self.level == 0
    }
}

#[cfg(test)]
mod tests;
