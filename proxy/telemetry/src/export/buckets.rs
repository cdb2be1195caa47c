//! How a histogram is shown: Envoy's `?histogram_buckets=`. Knows no formats.

use crate::histogram::{Measured, PROMETHEUS_MS};

/// What of a histogram is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Buckets {
    /// Quantiles.
    #[default]
    Summary,
    /// How many did not exceed each bound.
    Cumulative,
    /// How many are between two bounds.
    Disjoint,
    /// Every bucket that is kept, as it is kept, with the quantiles.
    Detailed,
}

impl Buckets {
    /// The value of the parameter; `None` if there is no such.
    pub fn parse(value: &str) -> Option<Self> {
        Some(match value {
            "summary" | "none" | "" => Self::Summary,
            "cumulative" => Self::Cumulative,
            "disjoint" => Self::Disjoint,
            "detailed" => Self::Detailed,
            _ => return None,
        })
    }
}

/// Envoy's bounds in milliseconds, with how many did not exceed each.
pub(super) fn cumulative(measured: &Measured) -> impl Iterator<Item = (f64, u64)> {
    PROMETHEUS_MS.iter().map(|&ms| (ms, measured.at_most((ms * 1e3) as u64)))
}

/// The same bounds, with how many are above the one before and not above this.
pub(super) fn disjoint(measured: &Measured) -> impl Iterator<Item = (f64, u64)> {
    let mut below = 0;
    cumulative(measured).map(move |(ms, n)| (ms, n - std::mem::replace(&mut below, n)))
}
