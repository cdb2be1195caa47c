//! `route.v3.RetryPolicy`: when another try is allowed.

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_route::{Retry, RetryOn};

use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::{duration, number};

/// Envoy's default for the longest back-off, as a multiple of the first.
const MAX_OVER_BASE: u32 = 10;

/// Reads a retry policy. One whose conditions we all ignore is none.
pub(crate) fn retry(at: &At<'_>, policy: &pb::RetryPolicy) -> Result<Option<Retry>, Invalid> {
    fields!(at, policy => pb::RetryPolicy {
        read: [retry_on, num_retries, per_try_timeout, retriable_status_codes, retry_back_off],
        harmless: [
            // Another try already avoids the endpoint that failed, which is what these are used for.
            retry_host_predicate, host_selection_retry_max_attempts,
            // Hints of the upstream make a try wait longer; ours are bounded by the route's timeout.
            rate_limited_retry_back_off,
        ],
        refused: [
            per_try_idle_timeout, retry_priority, retry_options_predicates, retriable_headers, retriable_request_headers,
            refresh_cluster_on_retry,
        ],
    });
    let (on, unknown) = RetryOn::parse(retry_on);
    if let Some(word) = unknown.first() {
        return Err(at.field("retry_on").unsupported(word));
    }
    if on.is_empty() {
        return Ok(None);
    }
    let mut retry = Retry::new(on);
    let list = at.field("retriable_status_codes");
    retry.statuses = (retriable_status_codes.iter().enumerate())
        .map(|(index, status)| match u16::try_from(*status) {
            Ok(code @ 100..=599) => Ok(code),
            _ => Err(list.index(index).refuse(Rule::NotAStatus(*status))),
        })
        .collect::<Result<_, _>>()?;
    retry.tries = number(at.field("num_retries"), num_retries, 0..=u32::MAX)?.unwrap_or(1);
    // Zero is Envoy's word for the route's own timeout.
    retry.per_try_timeout = duration(at.field("per_try_timeout"), per_try_timeout)?.filter(|t| !t.is_zero());
    if let Some(back_off) = retry_back_off {
        let at = at.field("retry_back_off");
        retry.back_off =
            duration(at.field("base_interval"), &back_off.base_interval)?.unwrap_or(Retry::BACK_OFF);
        retry.max_back_off = duration(at.field("max_interval"), &back_off.max_interval)?
            .unwrap_or(retry.back_off.saturating_mul(MAX_OVER_BASE));
    }
    Ok((retry.tries > 0).then_some(retry))
}
