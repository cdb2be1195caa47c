//! `forebay.revision`: Knative's facts in a cluster's metadata. Other keys are other people's.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::core::v3::Metadata;
use forebay_proto::google::protobuf::{Struct, Value, value::Kind};

use super::at::At;
use super::invalid::{Invalid, Rule};
use crate::names::Names;
use crate::revision::{Revision, RevisionBounds};

/// The metadata key.
const KEY: &str = "forebay.revision";
/// Knative's activator queues as many per revision (its breaker's queue depth).
const MAX_WAITING: u32 = 10_000;
/// 64 MiB of request heads and first body bytes per revision, far above what 10,000 small requests hold.
const MAX_WAITING_BYTES: u64 = 64 << 20;
/// Knative's `revision-timeout-seconds`, which is what bounds the wait there.
const WAIT_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads the facts, if this cluster is a revision.
pub(crate) fn revision(
    at: &At<'_>,
    metadata: &Option<Metadata>,
    names: &mut Names,
) -> Result<Option<Arc<Revision>>, Invalid> {
    let Some(facts) = metadata.as_ref().and_then(|m| m.filter_metadata.get(KEY)) else { return Ok(None) };
    let map = at.field("filter_metadata");
    read(&map.key(KEY), facts, names).map(|revision| Some(Arc::new(revision)))
}

fn read(at: &At<'_>, facts: &Struct, names: &mut Names) -> Result<Revision, Invalid> {
    let mut bounds = RevisionBounds {
        concurrency: 0,
        max_waiting: MAX_WAITING,
        max_waiting_bytes: MAX_WAITING_BYTES,
        wait_timeout: WAIT_TIMEOUT,
        timeout: Duration::ZERO,
        response_start_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        report: None,
    };
    let [mut namespace, mut name, mut service, mut configuration] = [const { None }; 4];
    // In order, so that of two errors the same one is told every time.
    let mut entries: Vec<(&String, &Value)> = facts.fields.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in entries {
        let at = at.field(key);
        match key.as_str() {
            "namespace" => namespace = Some(text(&at, value, names)?),
            "name" => name = Some(text(&at, value, names)?),
            "service" => service = Some(text(&at, value, names)?),
            "configuration" => configuration = Some(text(&at, value, names)?),
            "container_concurrency" => bounds.concurrency = count(&at, value, u32::MAX.into())? as u32,
            "max_waiting" => bounds.max_waiting = count(&at, value, u32::MAX.into())? as u32,
            "max_waiting_bytes" => bounds.max_waiting_bytes = count(&at, value, EXACT)?,
            "wait_timeout_ms" => bounds.wait_timeout = millis(&at, value)?,
            "timeout_ms" => bounds.timeout = millis(&at, value)?,
            "response_start_timeout_ms" => bounds.response_start_timeout = millis(&at, value)?,
            "idle_timeout_ms" => bounds.idle_timeout = millis(&at, value)?,
            "report" => bounds.report = Some(text(&at, value, names)?).filter(|url| !url.is_empty()),
            // The key is ours: what stands there and is not known is a mistake, not somebody else's business.
            _ => return Err(unsupported(&at, &value.kind)),
        }
    }
    let given = |field, value: Option<Arc<str>>| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| at.missing(field))
    };
    Ok(Revision {
        namespace: given("namespace", namespace)?,
        name: given("name", name)?,
        service: service.unwrap_or_else(|| names.text("")),
        configuration: configuration.unwrap_or_else(|| names.text("")),
        bounds: names.revision_bounds.one(bounds),
    })
}

/// 2^53: the largest whole number that a double holds exactly, which is all that a `Struct` can carry.
const EXACT: u64 = 1 << 53;

fn text(at: &At<'_>, value: &Value, names: &mut Names) -> Result<Arc<str>, Invalid> {
    match &value.kind {
        Some(Kind::StringValue(text)) => Ok(names.text(text)),
        other => Err(unsupported(at, other)),
    }
}

fn count(at: &At<'_>, value: &Value, max: u64) -> Result<u64, Invalid> {
    match value.kind {
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number >= 0.0 && number <= max as f64 => {
            Ok(number as u64)
        }
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 => Err(at.refuse(Rule::OutOfRange {
            value: number as i64,
            min: 0,
            max: i64::try_from(max).unwrap_or(i64::MAX),
        })),
        ref other => Err(unsupported(at, other)),
    }
}

/// The value as a person would write it.
fn unsupported(at: &At<'_>, kind: &Option<Kind>) -> Invalid {
    match kind {
        Some(Kind::BoolValue(value)) => at.unsupported(value),
        Some(Kind::NumberValue(value)) => at.unsupported(value),
        Some(Kind::StringValue(value)) => at.unsupported(value),
        other => at.unsupported(other),
    }
}

fn millis(at: &At<'_>, value: &Value) -> Result<Duration, Invalid> {
    count(at, value, EXACT).map(Duration::from_millis)
}
