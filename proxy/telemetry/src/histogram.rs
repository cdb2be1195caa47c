//! Log-linear histograms of durations in a few hundred bytes. Knows neither names nor who measures.
//!
//! Bucket bounds are thirteen per decade, from 10 µs to one hour, and every bound that Envoy exports to Prometheus is
//! one of them: what `le="250"` says is counted, not interpolated. A neighbour is at most a quarter larger.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::cells::bump;

/// What one worker measured; that worker alone records, any thread reads.
///
/// Cells come in pages of sixteen, a bit more than a decade, allocated when first hit: latencies of one service live
/// in two or three pages.
#[derive(Default)]
pub struct Histogram {
    pages: [OnceLock<Box<[AtomicU64; PAGE]>>; PAGES],
    /// Microseconds.
    sum: AtomicU64,
}

impl Histogram {
    /// Counts one duration, in microseconds. Call from the owning worker only.
    #[inline]
    pub fn record(&self, micros: u64) {
        let bucket = bucket_of(micros);
        let page = self.pages[bucket / PAGE].get_or_init(Box::default);
        bump(&page[bucket % PAGE], 1);
        bump(&self.sum, micros);
    }

    /// Adds what is here to `totals`.
    pub(crate) fn fold_into(&self, totals: &mut Measured) {
        for (number, page) in self.pages.iter().enumerate() {
            let Some(page) = page.get() else { continue };
            for (place, cell) in page.iter().enumerate() {
                totals.counts[number * PAGE + place] += cell.load(Relaxed);
            }
        }
        totals.sum = totals.sum.wrapping_add(self.sum.load(Relaxed));
    }
}

/// A histogram folded over workers: plain numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    counts: Box<[u64; PAGE * PAGES]>,
    sum: u64,
}

impl Default for Measured {
    fn default() -> Self {
        Self { counts: Box::new([0; PAGE * PAGES]), sum: 0 }
    }
}

impl Measured {
    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Sum of all durations in microseconds.
    pub fn sum_micros(&self) -> u64 {
        self.sum
    }

    /// The duration that a share `q` (0 to 1) of all did not exceed, linear inside its bucket. None when empty.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * count as f64;
        let mut below = 0u64;
        for (bucket, &n) in self.counts.iter().enumerate() {
            if n > 0 && (below + n) as f64 >= rank {
                let share = ((rank - below as f64) / n as f64).clamp(0.0, 1.0);
                let (low, high) = edges(bucket);
                let micros = low as f64 + (high - low) as f64 * share;
                return Some(Duration::from_nanos((micros * 1e3) as u64));
            }
            below += n;
        }
        None
    }

    /// How many lasted at most `micros`. Exact for every bound of [`PROMETHEUS_MS`].
    pub fn at_most(&self, micros: u64) -> u64 {
        let bound = bucket_of(micros);
        let whole = if edges(bound).1 == micros { bound + 1 } else { bound };
        self.counts[..whole].iter().sum()
    }

    /// Every bucket that has something: lower (exclusive) and upper edge in microseconds, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let full = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        full.map(|(bucket, &n)| {
            let (low, high) = edges(bucket);
            (low, high, n)
        })
    }

    /// What came on top of an `earlier` fold of the same histogram: the window between two looks.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut window = self.clone();
        for (now, then) in window.counts.iter_mut().zip(earlier.counts.iter()) {
            *now = now.saturating_sub(*then);
        }
        window.sum = self.sum.wrapping_sub(earlier.sum);
        window
    }

    /// Adds another fold to this one.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine += theirs;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Cells per page: 128 bytes, two cache lines.
const PAGE: usize = 16;
/// Enough for the bounds and one cell above the last.
const PAGES: usize = (BOUNDS.len() + 1).div_ceil(PAGE);

/// Upper bounds, inclusive, in microseconds: 10 µs to 3 600 s. 32 bits reach 4 295 s.
const BOUNDS: [u32; 112] = {
    /// One decade, in tenths of its first value.
    const DECADE: [u32; 13] = [10, 12, 15, 18, 21, 25, 30, 36, 43, 50, 60, 72, 85];
    let mut bounds = [0; 112];
    let (mut at, mut scale) = (0, 1);
    while at < bounds.len() {
        bounds[at] = DECADE[at % DECADE.len()] * scale;
        at += 1;
        if at % DECADE.len() == 0 {
            scale *= 10;
        }
    }
    bounds
};

/// For each power of two the first bound that is not below it: from there at most five steps lead to any value's bucket.
const START: [u8; 32] = {
    let mut start = [0; 32];
    let mut power = 0;
    while power < 32 {
        let mut at = 0;
        while at < BOUNDS.len() && (BOUNDS[at] as u64) < (1u64 << power) {
            at += 1;
        }
        start[power] = at as u8;
        power += 1;
    }
    start
};

/// The buckets that Envoy exports, upper bounds in milliseconds (its `Stats::HistogramSettings` defaults).
pub const PROMETHEUS_MS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

#[inline]
fn bucket_of(micros: u64) -> usize {
    let Ok(small) = u32::try_from(micros) else { return BOUNDS.len() };
    let mut at = START[small.max(1).ilog2() as usize] as usize;
    while at < BOUNDS.len() && BOUNDS[at] < small {
        at += 1;
    }
    at
}

/// Lower (exclusive) and upper (inclusive) edge of a bucket in microseconds. The one above the last bound has no
/// width: quantiles in it read one hour.
fn edges(bucket: usize) -> (u64, u64) {
    let last = u64::from(BOUNDS[BOUNDS.len() - 1]);
    let high = BOUNDS.get(bucket).map_or(last, |&bound| u64::from(bound));
    let low = bucket.checked_sub(1).and_then(|below| BOUNDS.get(below)).map_or(0, |&bound| u64::from(bound));
    (low, high)
}

#[cfg(test)]
mod tests;
