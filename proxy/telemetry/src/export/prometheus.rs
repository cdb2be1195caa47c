//! `/stats/prometheus`: text format 0.0.4 with Envoy's metric and label names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::buckets::cumulative;
use super::{Filter, Leaf, Metric, QUANTILES, Value, colonless, metrics, quantile_ms};
use crate::histogram::{Measured, PROMETHEUS_MS};
use crate::registry::Snapshot;
use crate::scopes::Kind;

/// What of the format is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prometheus {
    /// Histograms as quantiles instead of buckets.
    pub summaries: bool,
    /// Text readouts as gauges of value 0, the text in a label.
    pub text_readouts: bool,
}

/// Counters, gauges, histograms, each sorted by metric and labels; one TYPE line a metric.
pub fn prometheus(snapshot: &Snapshot, filter: &Filter, ask: Prometheus) -> String {
    let mut groups: BTreeMap<(Type, String), Vec<(String, Value<'_>)>> = BTreeMap::new();
    for metric in metrics(snapshot, filter) {
        let kind = match metric.value {
            Value::Number(Kind::Counter, _) => Type::Counter,
            Value::Number(Kind::Gauge, _) => Type::Gauge,
            Value::Times(_) => Type::Histogram,
            Value::Word(_) if !ask.text_readouts => continue,
            Value::Word(_) => Type::TextReadout,
        };
        let (name, mut labels) = spell(&metric);
        if let Value::Word(word) = metric.value {
            label(&mut labels, "text_value", word);
        }
        groups.entry((kind, name)).or_default().push((labels, metric.value));
    }
    let mut out = String::new();
    for ((kind, name), mut samples) in groups {
        samples.sort_by(|a, b| a.0.cmp(&b.0));
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::TextReadout => "gauge",
            Type::Histogram if ask.summaries => "summary",
            Type::Histogram => "histogram",
        };
        // A String takes everything that is written to it, here and below.
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value) in samples {
            match value {
                Value::Number(_, n) => {
                    let _ = writeln!(out, "{name}{{{labels}}} {n}");
                }
                Value::Word(_) => {
                    let _ = writeln!(out, "{name}{{{labels}}} 0");
                }
                Value::Times(measured) if ask.summaries => summary(&mut out, &name, &labels, measured),
                Value::Times(measured) => histogram(&mut out, &name, &labels, measured),
            }
        }
    }
    out
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Counter,
    Gauge,
    TextReadout,
    Histogram,
}

/// Metric name and labels. What varies moves from the name to a label, as Envoy's default tags do: the thing's name,
/// the class of a status (`_2xx` → `_xx` and `2`), the status itself.
fn spell(metric: &Metric<'_>) -> (String, String) {
    let mut name = String::from("envoy_");
    let mut labels = String::new();
    for (prefix, ..) in metric.scope.iter().chain(&metric.inner) {
        name.push_str(prefix);
        name.push('_');
    }
    match metric.leaf {
        Leaf::Plain(leaf) => match class_of(leaf) {
            Some((stem, class)) => {
                name.push_str(stem);
                name.push_str("_xx");
                label(&mut labels, "envoy_response_code_class", class);
            }
            None => name.extend(leaf.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })),
        },
        Leaf::Code(stem, code) => {
            name.push_str(stem);
            label(&mut labels, "envoy_response_code", itoa::Buffer::new().format(code));
        }
    }
    for (_, key, thing) in metric.inner.iter().chain(&metric.scope) {
        label(&mut labels, key, thing);
    }
    (name, labels)
}

/// `downstream_rq_2xx` → `downstream_rq`, `2`.
fn class_of(leaf: &str) -> Option<(&str, &str)> {
    let (stem, class) = leaf.strip_suffix("xx")?.rsplit_once('_')?;
    matches!(class, "1" | "2" | "3" | "4" | "5").then_some((stem, class))
}

fn label(labels: &mut String, key: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(key);
    labels.push_str("=\"");
    for c in value.chars().map(colonless) {
        match c {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            c => labels.push(c),
        }
    }
    labels.push('"');
}

fn histogram(out: &mut String, name: &str, labels: &str, measured: Option<&Measured>) {
    let comma = if labels.is_empty() { "" } else { "," };
    match measured {
        Some(measured) => cumulative(measured).for_each(|(ms, n)| {
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{ms}\"}} {n}");
        }),
        None => PROMETHEUS_MS.iter().for_each(|ms| {
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{ms}\"}} 0");
        }),
    }
    let (count, _) = count_and_sum(measured);
    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
    sum(out, name, labels, measured);
}

fn summary(out: &mut String, name: &str, labels: &str, measured: Option<&Measured>) {
    let comma = if labels.is_empty() { "" } else { "," };
    for per_cent in QUANTILES {
        let q = per_cent / 100.0;
        let _ = match measured.and_then(|measured| quantile_ms(measured, per_cent)) {
            Some(ms) => writeln!(out, "{name}{{{labels}{comma}quantile=\"{q}\"}} {ms}"),
            None => writeln!(out, "{name}{{{labels}{comma}quantile=\"{q}\"}} nan"),
        };
    }
    sum(out, name, labels, measured);
}

fn sum(out: &mut String, name: &str, labels: &str, measured: Option<&Measured>) {
    let (count, micros) = count_and_sum(measured);
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", micros as f64 / 1e3);
    let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
}

fn count_and_sum(measured: Option<&Measured>) -> (u64, u64) {
    measured.map_or((0, 0), |measured| (measured.count(), measured.sum_micros()))
}
