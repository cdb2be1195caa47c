//! `/stats?format=json`: Envoy's shape, histograms as one last element.

use serde_json::{Value as Json, json};

use super::{Filter, QUANTILES, Value, metrics, quantile_ms};
use crate::registry::Snapshot;

/// `{"stats": [{"name", "value"}.., {"histograms": {"supported_quantiles", "computed_quantiles"}}]}`. The interval half
/// of each quantile is null: we keep only what is cumulative.
pub fn json(snapshot: &Snapshot, filter: &Filter) -> Json {
    let (mut numbers, mut times) = (Vec::new(), Vec::new());
    for metric in metrics(snapshot, filter) {
        match metric.value {
            Value::Number(_, n) => numbers.push((metric.name(), n)),
            Value::Times(measured) => times.push((metric.name(), measured)),
        }
    }
    numbers.sort_unstable();
    times.sort_unstable_by(|a, b| a.0.cmp(&b.0));

    let mut stats: Vec<Json> =
        numbers.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    if !times.is_empty() {
        let computed: Vec<Json> = times
            .into_iter()
            .map(|(name, measured)| {
                let cumulative = |q| measured.and_then(|measured| quantile_ms(measured, q));
                let values: Vec<Json> = QUANTILES
                    .iter()
                    .map(|&q| json!({ "interval": null, "cumulative": cumulative(q) }))
                    .collect();
                json!({ "name": name, "values": values })
            })
            .collect();
        stats.push(
            json!({ "histograms": { "supported_quantiles": QUANTILES, "computed_quantiles": computed } }),
        );
    }
    json!({ "stats": stats })
}
