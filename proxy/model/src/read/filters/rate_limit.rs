//! `local_ratelimit.v3.LocalRateLimit`: one bucket for all requests of a listener or a route.

use forebay_proto::envoy::extensions::filters::http::local_ratelimit::v3 as pb;
use forebay_route::Fraction;

use crate::filter::{Bucket, LocalRateLimit};
use crate::names::Names;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::headers::adds;
use crate::read::invalid::{Invalid, Rule};
use crate::read::matching::fraction;
use crate::read::scalar::{duration, flag, number};

/// Reads it; `None` if it has no bucket, and so no limit.
pub(in crate::read) fn local_rate_limit(
    at: &At<'_>,
    message: &pb::LocalRateLimit,
    names: &mut Names,
) -> Result<Option<LocalRateLimit>, Invalid> {
    fields!(at, message => pb::LocalRateLimit {
        read: [
            status, token_bucket, filter_enabled, filter_enforced, request_headers_to_add_when_not_enforced,
            response_headers_to_add, rate_limited_as_resource_exhausted, always_consume_default_token_bucket,
        ],
        harmless: [
            // A name for counters; which of a request's limits belong to which filter, when there are none of them.
            stat_prefix, stage, vh_rate_limits, max_dynamic_descriptors,
        ],
        refused: [
            descriptors, rate_limits, local_rate_limit_per_downstream_connection, local_cluster_rate_limit,
            enable_x_ratelimit_headers, enable_retry_after_header,
        ],
    });
    // Only with descriptors could it be anything but consumed.
    let _ = flag(always_consume_default_token_bucket, true);
    let Some(bucket) = token_bucket else { return Ok(None) };
    let at_bucket = at.field("token_bucket");
    if bucket.max_tokens == 0 {
        let rule = Rule::OutOfRange { value: 0, min: 1, max: u32::MAX.into() };
        return Err(at_bucket.field("max_tokens").refuse(rule));
    }
    let fill =
        number(at_bucket.field("tokens_per_fill"), &bucket.tokens_per_fill, 1..=u32::MAX)?.unwrap_or(1);
    let interval = duration(at_bucket.field("fill_interval"), &bucket.fill_interval)?
        .ok_or_else(|| at_bucket.missing("fill_interval"))?;
    // Not said is never, as in Envoy.
    let never = Fraction { numerator: 0, denominator: 100 };
    let share = |field, value: &Option<_>| match value {
        Some(value) => fraction(&at.field(field), value),
        None => Ok(never),
    };
    Ok(Some(LocalRateLimit {
        bucket: Bucket::new(bucket.max_tokens, fill, interval).into(),
        enabled: share("filter_enabled", filter_enabled)?,
        enforced: share("filter_enforced", filter_enforced)?,
        // Below 400 Envoy says 429 all the same.
        status: match status.as_ref().map_or(429, |status| status.code) {
            code @ 400..=599 => u16::try_from(code).unwrap_or(429),
            _ => 429,
        },
        response_add: adds(&at.field("response_headers_to_add"), response_headers_to_add, names)?,
        request_add: adds(
            &at.field("request_headers_to_add_when_not_enforced"),
            request_headers_to_add_when_not_enforced,
            names,
        )?,
        exhausted: *rate_limited_as_resource_exhausted,
    }))
}
