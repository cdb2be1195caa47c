//! `/stats`: one `name: value` a line, numbers first, histograms after them, each part sorted by name.

use std::fmt::Write as _;

use super::{Filter, QUANTILES, Value, metrics, quantile_ms};
use crate::registry::Snapshot;

/// Envoy's text. Histograms read `P50(nan,12.5)`: we keep no five-second interval, only what is cumulative.
pub fn text(snapshot: &Snapshot, filter: &Filter) -> String {
    let (mut numbers, mut times) = (Vec::new(), Vec::new());
    for metric in metrics(snapshot, filter) {
        match metric.value {
            Value::Number(_, n) => numbers.push((metric.name(), n)),
            Value::Times(measured) => times.push((metric.name(), measured)),
        }
    }
    numbers.sort_unstable();
    times.sort_unstable_by(|a, b| a.0.cmp(&b.0));

    let mut out = String::with_capacity(numbers.len() * 64);
    for (name, n) in numbers {
        out.push_str(&name);
        out.push_str(": ");
        out.push_str(itoa::Buffer::new().format(n));
        out.push('\n');
    }
    for (name, measured) in times {
        out.push_str(&name);
        out.push(':');
        match measured.filter(|measured| measured.count() > 0) {
            None => out.push_str(" No recorded values"),
            Some(measured) => {
                for per_cent in QUANTILES {
                    let ms = quantile_ms(measured, per_cent).unwrap_or(f64::NAN);
                    // A String takes everything that is written to it.
                    let _ = write!(out, " P{per_cent}(nan,{})", (ms * 1e3).round() / 1e3);
                }
            }
        }
        out.push('\n');
    }
    out
}
