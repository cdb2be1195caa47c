//! A histogram with bounds of its own. Knows no labels.

/// Counts below bounds, their sum and their ends.
pub(super) struct Histogram {
    pub(super) bounds: &'static [f64],
    /// One for each bound and one for what is above them all.
    counts: Box<[u64]>,
    pub(super) sum: f64,
    least: f64,
    most: f64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let counts = vec![0; bounds.len() + 1].into();
        Self { bounds, counts, sum: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY }
    }

    /// Counts one; a value on a bound is not above it.
    pub(super) fn record(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many in each bucket.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The least value, if there was any.
    pub(super) fn least(&self) -> Option<f64> {
        self.least.is_finite().then_some(self.least)
    }

    /// The most, likewise.
    pub(super) fn most(&self) -> Option<f64> {
        self.most.is_finite().then_some(self.most)
    }

    /// Bounds with how many do not exceed them.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(sums)
    }
}
