//! `/stats/prometheus`: text format 0.0.4 with Envoy's metric and label names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Filter, Leaf, Metric, Value, metrics};
use crate::histogram::{Measured, PROMETHEUS_MS};
use crate::registry::Snapshot;
use crate::scopes::Kind;

/// Counters, gauges, histograms, each sorted by metric and labels; one TYPE line a metric.
pub fn prometheus(snapshot: &Snapshot, filter: &Filter) -> String {
    let mut groups: BTreeMap<(Type, String), Vec<(String, Value<'_>)>> = BTreeMap::new();
    for metric in metrics(snapshot, filter) {
        let kind = match metric.value {
            Value::Number(Kind::Counter, _) => Type::Counter,
            Value::Number(Kind::Gauge, _) => Type::Gauge,
            Value::Times(_) => Type::Histogram,
        };
        let (name, labels) = spell(&metric);
        groups.entry((kind, name)).or_default().push((labels, metric.value));
    }
    let mut out = String::new();
    for ((kind, name), mut samples) in groups {
        samples.sort_by(|a, b| a.0.cmp(&b.0));
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        // A String takes everything that is written to it, here and below.
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for (labels, value) in samples {
            match value {
                Value::Number(_, n) => {
                    let _ = writeln!(out, "{name}{{{labels}}} {n}");
                }
                Value::Times(measured) => histogram(&mut out, &name, &labels, measured),
            }
        }
        out.push('\n');
    }
    out
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// Metric name and labels. What varies moves from the name to a label, as Envoy's default tags do: the thing's name,
/// the class of a status (`_2xx` → `_xx` and `2`), the status itself.
fn spell(metric: &Metric<'_>) -> (String, String) {
    let mut name = String::from("envoy_");
    let mut labels = String::new();
    if let Some((prefix, _, _)) = metric.scope {
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
    if let Some((_, key, thing)) = metric.scope {
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
    for c in value.chars() {
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
    for ms in PROMETHEUS_MS {
        let n = measured.map_or(0, |measured| measured.at_most((ms * 1e3) as u64));
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{ms}\"}} {n}");
    }
    let (count, sum) = measured.map_or((0, 0), |measured| (measured.count(), measured.sum_micros()));
    let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", sum as f64 / 1e3);
    let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
}
