//! Spells a [`Snapshot`] as Envoy's admin interface does: text, JSON, Prometheus. Knows no HTTP.

use std::sync::Arc;

use regex_automata::meta::Regex;
use thiserror::Error;

use crate::histogram::Measured;
use crate::registry::{Family, Inner, Snapshot, Totals};
use crate::scopes::{Cluster, Http, Kind, Listener, Scope};

mod buckets;
mod json;
mod prometheus;
mod text;

pub use buckets::Buckets;
pub use json::json;
pub use prometheus::{Prometheus, prometheus};
pub use text::text;

/// Which statistics to show.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    name: Option<Pattern>,
    invert: bool,
    used_only: bool,
    only: Option<Only>,
}

/// One sort of statistics: `?type=` of Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// What only grows.
    Counters,
    /// What grows and falls.
    Gauges,
    /// Distributions.
    Histograms,
    /// Words.
    TextReadouts,
}

impl Filter {
    /// `pattern` is searched in the full name, as `?filter=` of Envoy; `used_only` leaves out what never counted
    /// anything.
    pub fn new(pattern: Option<&str>, used_only: bool) -> Result<Self, InvalidPattern> {
        Ok(Self { name: pattern.map(Pattern::new).transpose()?, used_only, ..Self::default() })
    }

    /// Shows what the pattern does not find.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self { invert: true, ..self }
    }

    /// Shows one sort only.
    #[must_use]
    pub fn only(self, only: Option<Only>) -> Self {
        Self { only, ..self }
    }

    fn shows(&self, metric: &Metric<'_>) -> bool {
        self.only.is_none_or(|only| only == metric.sort())
            && (!self.used_only || metric.used())
            && self.name.as_ref().is_none_or(|name| name.finds(&metric.name()) != self.invert)
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
    scope: Option<Thing<'s>>,
    /// A thing inside that thing.
    inner: Option<Thing<'s>>,
    leaf: Leaf,
    value: Value<'s>,
}

/// First word of the name, Prometheus label, the thing's name.
type Thing<'s> = (&'static str, &'static str, &'s str);

/// The last part of a name.
enum Leaf {
    Plain(&'static str),
    /// `upstream_rq_200`: the part before the code, and the code.
    Code(&'static str, u16),
}

enum Value<'s> {
    Number(Kind, u64),
    Times(Option<&'s Measured>),
    Word(&'s str),
}

impl Metric<'_> {
    /// As in Envoy's text: `cluster.default/hello.upstream_rq_2xx`. A colon in the thing's name becomes an underscore.
    fn name(&self) -> String {
        let mut name = String::with_capacity(64);
        for (prefix, _, thing) in self.scope.iter().chain(&self.inner) {
            name.push_str(prefix);
            name.push('.');
            name.extend(thing.chars().map(colonless));
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
            Value::Word(word) => !word.is_empty(),
        }
    }

    fn sort(&self) -> Only {
        match self.value {
            Value::Number(Kind::Counter, _) => Only::Counters,
            Value::Number(Kind::Gauge, _) => Only::Gauges,
            Value::Times(_) => Only::Histograms,
            Value::Word(_) => Only::TextReadouts,
        }
    }
}

/// Envoy replaces the colon of an address, which some receivers of statistics take for a separator.
fn colonless(c: char) -> char {
    if c == ':' { '_' } else { c }
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
        let value = Value::Number(extra.def.kind, extra.value);
        let (scope, inner) = (outer(&extra.scope), inner(&extra.inner));
        all.push(Metric { scope, inner, leaf: Leaf::Plain(extra.def.name), value });
    }
    for word in &snapshot.words {
        let value = Value::Word(&word.value);
        let (scope, inner) = (outer(&word.scope), inner(&word.inner));
        all.push(Metric { scope, inner, leaf: Leaf::Plain(word.name), value });
    }
    all.retain(|metric| filter.shows(metric));
    all
}

fn outer(scope: &Option<(Family, Arc<str>)>) -> Option<Thing<'_>> {
    scope.as_ref().map(|(family, name)| match family {
        Family::Http => (Http::PREFIX, Http::LABEL, &**name),
        Family::Listener => (Listener::PREFIX, Listener::LABEL, &**name),
        Family::Cluster => (Cluster::PREFIX, Cluster::LABEL, &**name),
    })
}

fn inner(inner: &Option<(Inner, Arc<str>)>) -> Option<Thing<'_>> {
    inner.as_ref().map(|(kind, name)| match kind {
        Inner::Rds => ("rds", "envoy_rds_route_config", &**name),
    })
}

fn family<'s, S: Scope>(name: &'s str, totals: &'s Totals<S>, all: &mut Vec<Metric<'s>>) {
    let scope = Some((S::PREFIX, S::LABEL, name));
    for (index, def) in S::COUNTERS.iter().enumerate() {
        let value = Value::Number(def.kind, totals.at(index));
        all.push(Metric { scope, inner: None, leaf: Leaf::Plain(def.name), value });
    }
    for (&code, &n) in totals.codes() {
        let value = Value::Number(Kind::Counter, n);
        all.push(Metric { scope, inner: None, leaf: Leaf::Code("upstream_rq", code), value });
    }
    for (time, measured) in S::TIMES.iter().zip(totals.times()) {
        let value = Value::Times(measured.as_ref());
        all.push(Metric { scope, inner: None, leaf: Leaf::Plain(time), value });
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
