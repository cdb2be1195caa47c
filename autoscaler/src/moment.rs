//! A point in time as every pure part of this crate takes it. Reads no clock.

use std::ops::Add;
use std::time::Duration;

/// Nanoseconds since the Unix epoch. Windows put samples into whole-second buckets of this count, as Knative's do. 64 bits
/// last until the year 2554.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `since_epoch` after the Unix epoch.
    pub fn new(since_epoch: Duration) -> Self {
        Self(nanos(since_epoch))
    }

    /// The moment that many whole seconds after the Unix epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// How long this is after `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Which stretch of `length` nanoseconds, counted from the epoch, this moment lies in.
    pub(crate) fn stretch(self, length: u64) -> u64 {
        self.0 / length.max(1)
    }

    /// The start of the next stretch of `length`: later than now, at most `length` later. Everything that ticks shares
    /// this grid, so that many revisions cost one wake-up.
    pub(crate) fn next_on_grid(self, length: Duration) -> Self {
        let length = nanos(length).max(1);
        Self((self.0 / length).saturating_add(1).saturating_mul(length))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos(after)))
    }
}

/// A duration in nanoseconds; what does not fit is as long as can be said.
pub(crate) fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
