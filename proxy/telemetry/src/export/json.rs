//! `/stats?format=json`: Envoy's shape, histograms as one last element.

use serde_json::{Value as Json, json};

use super::buckets::{cumulative, disjoint};
use super::{Buckets, Filter, QUANTILES, Value, metrics, quantile_ms};
use crate::histogram::Measured;
use crate::registry::Snapshot;

/// `{"stats": [{"name", "value"}.., {"histograms": ..}]}`. The interval half of each figure is null or zero: we keep only
/// what is cumulative.
pub fn json(snapshot: &Snapshot, filter: &Filter, buckets: Buckets) -> Json {
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

    let mut stats: Vec<Json> =
        words.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    stats.extend(numbers.into_iter().map(|(name, value)| json!({ "name": name, "value": value })));
    if !times.is_empty() {
        stats.push(json!({ "histograms": histograms(&times, buckets) }));
    }
    json!({ "stats": stats })
}

fn histograms(times: &[(String, Option<&Measured>)], buckets: Buckets) -> Json {
    let each = |one: &dyn Fn(&str, Option<&Measured>) -> Json| -> Vec<Json> {
        times.iter().map(|(name, measured)| one(name, *measured)).collect()
    };
    match buckets {
        Buckets::Summary => {
            let computed = each(&|name, measured| json!({ "name": name, "values": quantiles(measured) }));
            json!({ "supported_quantiles": QUANTILES, "computed_quantiles": computed })
        }
        Buckets::Cumulative => each(&|name, measured| {
            json!({ "name": name, "buckets": bounds(measured.map(|m| cumulative(m).collect())) })
        })
        .into(),
        Buckets::Disjoint => each(&|name, measured| {
            json!({ "name": name, "buckets": bounds(measured.map(|m| disjoint(m).collect())) })
        })
        .into(),
        Buckets::Detailed => {
            let details = each(&|name, measured| {
                let kept = measured.into_iter().flat_map(Measured::buckets);
                let totals: Vec<Json> = kept
                    .map(|(low, high, n)| {
                        json!({ "lower_bound": low as f64 / 1e3, "width": (high - low) as f64 / 1e3, "count": n })
                    })
                    .collect();
                let percentiles = quantiles(measured);
                json!({ "name": name, "totals": totals, "intervals": [], "percentiles": percentiles })
            });
            json!({ "supported_percentiles": QUANTILES, "details": details })
        }
    }
}

fn quantiles(measured: Option<&Measured>) -> Vec<Json> {
    let cumulative = |q| measured.and_then(|measured| quantile_ms(measured, q));
    QUANTILES.iter().map(|&q| json!({ "cumulative": cumulative(q), "interval": null })).collect()
}

fn bounds(bounds: Option<Vec<(f64, u64)>>) -> Vec<Json> {
    let bounds = bounds.unwrap_or_default().into_iter();
    bounds.map(|(ms, n)| json!({ "upper_bound": ms, "interval": 0, "cumulative": n })).collect()
}
