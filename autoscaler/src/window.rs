//! Averages of reported load over sliding windows: bucket rings, bit for bit as Knative's `aggregation` package computes
//! them. Knows nothing of revisions or decisions.

mod peak;
mod ring;

pub use peak::Peak;
pub use ring::{Averaging, Ring};

use std::time::Duration;

use crate::moment::Moment;

/// One revision's load over its stable and its panic window. Of Knative's four rings (concurrency and rps) only the two
/// of the metric a revision scales on are kept: nothing reads the others.
#[derive(Debug, Clone)]
pub struct Load {
    stable: Ring,
    panic: Ring,
}

impl Load {
    /// No load yet. `bucket` is one bucket's length; Knative's is one second.
    pub fn new(stable: Duration, panic: Duration, bucket: Duration, averaging: Averaging) -> Self {
        Self { stable: Ring::new(stable, bucket, averaging), panic: Ring::new(panic, bucket, averaging) }
    }

    /// Adds a sample. Samples of one bucket add up: several reporters sum, and so do the early report of a growing
    /// load and the remainder that the same reporter sends at its next tick.
    pub fn record(&mut self, at: Moment, value: f64) {
        self.stable.record(at, value);
        self.panic.record(at, value);
    }

    /// The averages over both windows, stable first.
    pub fn averages(&self, now: Moment) -> (f64, f64) {
        (self.stable.average(now), self.panic.average(now))
    }

    /// Changes the windows' lengths, keeping the newest samples.
    pub fn resize(&mut self, stable: Duration, panic: Duration, now: Moment) {
        self.stable.resize(stable, now);
        self.panic.resize(panic, now);
    }

    /// Frees rings that heard nothing for their whole window. True if nothing is left that could be averaged, now or
    /// later.
    pub fn release(&mut self, now: Moment) -> bool {
        // Both, always: `&&` would leave the panic ring alone.
        self.panic.release(now) & self.stable.release(now)
    }
}

#[cfg(test)]
mod tests;
