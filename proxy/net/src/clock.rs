//! A coarse clock per worker. The only place of the data plane that reads the system's clocks.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment: microseconds since the process looked at the clock for the first time. Comparable across workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// So long after this moment; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Microseconds since `earlier`; 0 when that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One worker's clock. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Rc<Hands>);

#[derive(Debug)]
struct Hands {
    now: Cell<u64>,
    /// Unix time, in microseconds, of moment 0.
    epoch: Cell<u64>,
    /// When the wall clock is to be compared next.
    compare: Cell<u64>,
}

/// How often the wall clock is asked: a second, so that a step of NTP shows in the log within one.
const COMPARE_EVERY: u64 = 1_000_000;

impl Clock {
    /// A clock that shows now.
    pub fn new() -> Self {
        let clock = Self(Rc::new(Hands { now: Cell::new(0), epoch: Cell::new(0), compare: Cell::new(0) }));
        clock.tick();
        clock
    }

    /// Reads the system's clock (about 30 ns) and shows it from here on. For the start and the end of a request, and
    /// after each wake of a worker.
    #[inline]
    pub fn tick(&self) -> Micros {
        let now = monotonic();
        self.0.now.set(now);
        Micros(now)
    }

    /// The time of the last tick: good enough for idle times and long timeouts.
    #[inline]
    pub fn now(&self) -> Micros {
        Micros(self.0.now.get())
    }

    /// A moment as Unix time in microseconds, for people.
    pub fn unix_micros(&self, at: Micros) -> u64 {
        if at.0 >= self.0.compare.get() {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = monotonic();
            self.0.epoch.set(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX).saturating_sub(now));
            self.0.compare.set(now + COMPARE_EVERY);
        }
        self.0.epoch.get().saturating_add(at.0)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn monotonic() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    // 64 bits of microseconds last 584 000 years.
    START.get_or_init(Instant::now).elapsed().as_micros() as u64
}

#[cfg(test)]
mod tests;
