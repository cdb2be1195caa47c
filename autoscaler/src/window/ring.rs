//! One ring of buckets and its average. Bit for bit Knative's arithmetic: the same additions in the same order, rounded the
//! same way. Knows nothing of what the values mean.

use std::time::Duration;

use crate::moment::{Moment, nanos};

/// How a window weighs its buckets (annotation `metric-aggregation-algorithm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Averaging {
    /// Every second counts the same.
    #[default]
    Linear,
    /// Recent seconds count exponentially more.
    WeightedExponential,
}

/// Sums per bucket over one window. Holds no buckets until the first sample and none after [`Ring::release`].
#[derive(Debug, Clone)]
pub struct Ring {
    /// One slot per bucket of the window, indexed by bucket number modulo the length; empty while nothing is recorded.
    buckets: Box<[f64]>,
    /// Sum over all slots, kept by adding and subtracting as Knative does.
    total: f64,
    /// Bucket number of the first sample since the last whole window of silence: an average is over what was observed,
    /// not over a window that has not passed yet. Unset after a resize that found the ring stale.
    first: Option<u64>,
    /// Bucket number of the newest sample.
    last: Option<u64>,
    /// Nanoseconds the ring covers.
    window: u64,
    /// Nanoseconds of one bucket.
    bucket: u64,
    averaging: Averaging,
}

impl Ring {
    /// An empty ring over `window`, in buckets of `bucket`.
    pub fn new(window: Duration, bucket: Duration, averaging: Averaging) -> Self {
        Self {
            buckets: Box::default(),
            total: 0.0,
            first: None,
            last: None,
            window: nanos(window).max(1),
            bucket: nanos(bucket).max(1),
            averaging,
        }
    }

    /// Adds `value` to the bucket of `at`. Skipped buckets count as zero; a sample older than the newest but inside the
    /// window still joins its bucket; an older one is dropped.
    pub fn record(&mut self, at: Moment, value: f64) {
        let at = at.stretch(self.bucket);
        match self.last {
            Some(last) if at == last => {}
            Some(last) if at < last => {
                if self.length(last - at) >= self.window {
                    return;
                }
                self.first = Some(self.first.map_or(at, |first| first.min(at)));
            }
            Some(last) if self.length(at - last) < self.window => {
                self.first = Some(self.first.unwrap_or(at));
                self.clear(last + 1, at);
                self.last = Some(at);
            }
            _ => {
                self.buckets.fill(0.0);
                self.total = 0.0;
                self.first = Some(at);
                self.last = Some(at);
            }
        }
        if self.buckets.is_empty() {
            self.buckets = vec![0.0; self.size()].into_boxed_slice();
        }
        let slot = self.slot(at);
        self.buckets[slot] += value;
        self.total += value;
    }

    /// The average over the window that ends now; 0 after a whole window of silence.
    pub fn average(&self, now: Moment) -> f64 {
        let now = now.stretch(self.bucket);
        let (Some(last), false) = (self.last, self.buckets.is_empty()) else { return 0.0 };
        // A clock that lags behind the newest sample sees no gap.
        let gap = now.saturating_sub(last);
        if self.length(gap) >= self.window {
            return 0.0;
        }
        match self.averaging {
            Averaging::Linear => self.linear(last, gap),
            Averaging::WeightedExponential => self.weighted(last, gap),
        }
    }

    /// Changes the window's length and keeps the newest buckets. The start of the observed time moves to where the old
    /// ring could have begun, so growing a young ring lowers its average; so it does in Knative.
    pub fn resize(&mut self, window: Duration, now: Moment) {
        let window = nanos(window).max(1);
        if window == self.window {
            return;
        }
        let old = std::mem::take(&mut self.buckets);
        let stale =
            self.length(now.stretch(self.bucket).saturating_sub(self.last.unwrap_or(0))) > self.window;
        self.window = window;
        self.total = 0.0;
        let Some(last) = self.last.filter(|_| !stale && !old.is_empty()) else {
            self.first = None;
            return;
        };
        self.buckets = vec![0.0; self.size()].into_boxed_slice();
        for number in (0..=last).rev().take(old.len().min(self.buckets.len())) {
            let value = old[index(number, old.len())];
            let slot = self.slot(number);
            self.buckets[slot] = value;
            self.total += value;
        }
        self.first = Some(last.saturating_sub(old.len() as u64 - 1));
    }

    /// Frees the buckets if nothing was recorded for a whole window; from then on the ring is as new, which only a sample
    /// that comes late from before the release could tell. True if it holds nothing.
    pub fn release(&mut self, now: Moment) -> bool {
        let now = now.stretch(self.bucket);
        if self.last.is_some_and(|last| self.length(now.saturating_sub(last)) < self.window) {
            return false;
        }
        self.buckets = Box::default();
        self.total = 0.0;
        self.first = None;
        self.last = None;
        true
    }

    fn linear(&self, last: u64, gap: u64) -> f64 {
        let size = self.buckets.len() as u64;
        let mut sum = self.total;
        for number in last + 1..=last + gap {
            sum -= self.buckets[self.slot(number)];
        }
        let observed = self.first.map_or(u64::MAX, |first| last - first + 1);
        // The gap is shorter than the window, so at least one bucket remains.
        let valid = observed.min(size - gap);
        six_digits(sum / valid as f64)
    }

    fn weighted(&self, last: u64, gap: u64) -> f64 {
        let size = self.buckets.len();
        let decay = smoothing(size as f64);
        let mut weight = decay;
        if gap > 0 {
            weight *= (1.0 - decay).powf(gap as f64);
        }
        let mut sum = 0.0;
        for back in 0..size as u64 - gap {
            // Numbers before the epoch do not exist; adding the size keeps the slot the same.
            sum += self.buckets[self.slot(last + size as u64 - back)] * weight;
            weight *= 1.0 - decay;
        }
        sum
    }

    /// Zeroes the buckets numbered `from..=to`, fewer than the ring holds.
    fn clear(&mut self, from: u64, to: u64) {
        if self.buckets.is_empty() {
            return;
        }
        for number in from..=to {
            let slot = self.slot(number);
            self.total -= self.buckets[slot];
            self.buckets[slot] = 0.0;
        }
    }

    /// How many buckets the window needs: its length over a bucket's, rounded up.
    fn size(&self) -> usize {
        // An hour of seconds, the longest window there is, fits any usize.
        self.window.div_ceil(self.bucket) as usize
    }

    fn slot(&self, number: u64) -> usize {
        index(number, self.buckets.len())
    }

    /// Nanoseconds of that many buckets.
    fn length(&self, buckets: u64) -> u64 {
        buckets.saturating_mul(self.bucket)
    }
}

fn index(number: u64, size: usize) -> usize {
    (number % size as u64) as usize
}

/// The share of the newest bucket: large enough that the window holds 99.99 % of all weight, and at least 0.2, below which
/// a long window would be all but a plain average.
fn smoothing(buckets: f64) -> f64 {
    (1.0 - 0.0001_f64.powf(1.0 / buckets)).max(0.2)
}

/// Rounds to six decimals, halves away from zero: takes back what adding and subtracting sums left behind.
fn six_digits(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
