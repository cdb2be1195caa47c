//! Spells a [`Snapshot`] as Envoy's admin interface does: text, JSON, Prometheus. Knows no HTTP.

use regex_automata::meta::Regex;
use thiserror::Error;

use crate::histogram::Measured;
use crate::registry::{Family, Snapshot, Totals};
use crate::scopes::{Cluster, Http, Kind, Listener, Scope};

mod json;
mod prometheus;
mod text;

pub use json::json;
pub use prometheus::prometheus;
pub use text::text;

/// Which statistics to show.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    name: Option<Pattern>,
    used_only: bool,
}

impl Filter {
    /// `pattern` is searched in the full name, as `?filter=` of Envoy; `used_only` leaves out what never counted
    /// anything.
    pub fn new(pattern: Option<&str>, used_only: bool) -> Result<Self, InvalidPattern> {
        Ok(Self { name: pattern.map(Pattern::new).transpose()?, used_only })
    }

    fn shows(&self, metric: &Metric<'_>) -> bool {
        (!self.used_only || metric.used()) && self.name.as_ref().is_none_or(|name| name.finds(&metric.name()))
    }
}

/// A regular expression of a person who looks for a name.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it; bounded in size.
    pub fn new(pattern: &str) -> Result<Self, InvalidPattern> {
        // 1 MiB: far above any pattern by hand, far below what a hostile one could ask for.
        let config = Regex::config().nfa_size_limit(Some(1 << 20));
        Regex::builder().configure(config).build(pattern).map(Self).map_err(|error| InvalidPattern {
            pattern: pattern.to_owned(),
            why: error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string),
        })
    }

    /// Whether it matches anywhere in `name`.
    pub fn finds(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

/// Not a regular expression.
#[derive(Debug, Clone, Error)]
#[error("invalid regular expression {pattern:?}: {why}")]
pub struct InvalidPattern {
    pattern: String,
    why: String,
}

/// One statistic on its way out.
struct Metric<'s> {
    /// The thing: first word of the name, Prometheus label, the thing's name.
    scope: Option<(&'static str, &'static str, &'s str)>,
    leaf: Leaf,
    value: Value<'s>,
}

/// The last part of a name.
enum Leaf {
    Plain(&'static str),
    /// `upstream_rq_200`: the part before the code, and the code.
    Code(&'static str, u16),
}

enum Value<'s> {
    Number(Kind, u64),
    Times(Option<&'s Measured>),
}

impl Metric<'_> {
    /// As in Envoy's text: `cluster.default/hello.upstream_rq_2xx`. A colon in the thing's name becomes an underscore.
    fn name(&self) -> String {
        let mut name = String::with_capacity(64);
        if let Some((prefix, _, thing)) = self.scope {
            name.push_str(prefix);
            name.push('.');
            name.extend(thing.chars().map(|c| if c == ':' { '_' } else { c }));
            name.push('.');
        }
        match self.leaf {
            Leaf::Plain(leaf) => name.push_str(leaf),
            Leaf::Code(leaf, code) => {
                name.push_str(leaf);
                name.push('_');
                name.push_str(itoa::Buffer::new().format(code));
            }
        }
        name
    }

    fn used(&self) -> bool {
        match &self.value {
            Value::Number(_, n) => *n != 0,
            Value::Times(times) => times.is_some_and(|times| times.count() > 0),
        }
    }
}

/// Every statistic of a snapshot that the filter shows, in no particular order.
fn metrics<'s>(snapshot: &'s Snapshot, filter: &'s Filter) -> Vec<Metric<'s>> {
    let mut all = Vec::new();
    for (name, totals) in &snapshot.http {
        family::<Http>(name, totals, &mut all);
    }
    for (name, totals) in &snapshot.listeners {
        family::<Listener>(name, totals, &mut all);
    }
    for (name, totals) in &snapshot.clusters {
        family::<Cluster>(name, totals, &mut all);
    }
    for extra in &snapshot.extra {
        let scope = extra.scope.as_ref().map(|(family, name)| match family {
            Family::Http => (Http::PREFIX, Http::LABEL, &**name),
            Family::Listener => (Listener::PREFIX, Listener::LABEL, &**name),
            Family::Cluster => (Cluster::PREFIX, Cluster::LABEL, &**name),
        });
        let value = Value::Number(extra.def.kind, extra.value);
        all.push(Metric { scope, leaf: Leaf::Plain(extra.def.name), value });
    }
    all.retain(|metric| filter.shows(metric));
    all
}

fn family<'s, S: Scope>(name: &'s str, totals: &'s Totals<S>, all: &mut Vec<Metric<'s>>) {
    let scope = Some((S::PREFIX, S::LABEL, name));
    for (index, def) in S::COUNTERS.iter().enumerate() {
        let value = Value::Number(def.kind, totals.at(index));
        all.push(Metric { scope, leaf: Leaf::Plain(def.name), value });
    }
    for (&code, &n) in totals.codes() {
        all.push(Metric {
            scope,
            leaf: Leaf::Code("upstream_rq", code),
            value: Value::Number(Kind::Counter, n),
        });
    }
    for (time, measured) in S::TIMES.iter().zip(totals.times()) {
        all.push(Metric { scope, leaf: Leaf::Plain(time), value: Value::Times(measured.as_ref()) });
    }
}

/// The quantiles that Envoy shows, in per cent.
const QUANTILES: [f64; 10] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];

/// A quantile in milliseconds, the unit of every histogram here.
fn quantile_ms(measured: &Measured, per_cent: f64) -> Option<f64> {
    measured.quantile(per_cent / 100.0).map(|duration| duration.as_nanos() as f64 / 1e6)
}

#[cfg(test)]
mod tests;
