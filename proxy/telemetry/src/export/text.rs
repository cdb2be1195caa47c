//! `/stats`: one `name: value` a line, words first, then numbers, then histograms, each part sorted by name.

use std::fmt::Write as _;

use super::buckets::{cumulative, disjoint};
use super::{Buckets, Filter, QUANTILES, Value, metrics, quantile_ms};
use crate::histogram::Measured;
use crate::registry::Snapshot;

/// Envoy's text. Histograms read `P50(nan,12.5)`: we keep no five-second interval, only what is cumulative.
pub fn text(snapshot: &Snapshot, filter: &Filter, buckets: Buckets) -> String {
    let (mut words, mut numbers, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for metric in metrics(snapshot, filter) {
        match metric.value {
            Value::Word(word) => words.push((metric.name(), word)),
            Value::Number(_, n) => numbers.push((metric.name(), n)),
            Value::Times(measured) => times.push((metric.name(), measured)),
        }
    }
    words.sort_unstable();
    numbers.sort_unstable();
    times.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut out = String::with_capacity(numbers.len() * 64);
    for (name, word) in words {
        // A String takes everything that is written to it, here and below.
        let _ = writeln!(out, "{name}: \"{word}\"");
    }
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
            Some(measured) => histogram(&mut out, measured, buckets),
        }
        out.push('\n');
    }
    out
}

fn histogram(out: &mut String, measured: &Measured, buckets: Buckets) {
    match buckets {
        Buckets::Summary => summary(out, measured),
        Buckets::Cumulative => bounds(out, cumulative(measured)),
        Buckets::Disjoint => bounds(out, disjoint(measured)),
        Buckets::Detailed => {
            let totals: Vec<String> = measured
                .buckets()
                .map(|(low, high, n)| format!("{},{}:{n}", low as f64 / 1e3, (high - low) as f64 / 1e3))
                .collect();
            let _ = write!(out, "\n  totals={}\n  intervals=\n  summary=", totals.join(", "));
            let start = out.len();
            summary(out, measured);
            // The blank that stands before the first quantile elsewhere.
            out.remove(start);
        }
    }
}

fn summary(out: &mut String, measured: &Measured) {
    for per_cent in QUANTILES {
        let ms = quantile_ms(measured, per_cent).unwrap_or(f64::NAN);
        let _ = write!(out, " P{per_cent}(nan,{})", (ms * 1e3).round() / 1e3);
    }
}

fn bounds(out: &mut String, bounds: impl Iterator<Item = (f64, u64)>) {
    for (ms, n) in bounds {
        // As C's `%g` writes it.
        let _ =
            if ms < 1e6 { write!(out, " B{ms}(0,{n})") } else { write!(out, " B{}e+06(0,{n})", ms / 1e6) };
    }
}
