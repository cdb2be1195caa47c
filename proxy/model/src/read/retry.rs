//! `route.v3.RetryPolicy`: when another try is allowed.

use std::time::Duration;

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_proto::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use forebay_route::{HeaderMatch, Reset, ResetFormat, ResetHeader, Retry, RetryOn};

use super::any::{is, unknown};
use super::at::At;
use super::fields::fields;
use super::headers::is_token;
use super::invalid::{Invalid, Rule};
use super::matching::header_match;
use super::scalar::{choice, duration, each, number};
use crate::names::Names;

/// Envoy's default for the longest back-off, as a multiple of the first.
const MAX_OVER_BASE: u32 = 10;
/// Envoy's least back-off.
const LEAST_BACK_OFF: Duration = Duration::from_millis(1);
/// Envoy's default for the longest wait that a response may ask for.
const MAX_RESET: Duration = Duration::from_secs(300);

/// Reads a retry policy. One without conditions still limits a try, and says how a request that asks for tries gets them.
pub(crate) fn retry(at: &At<'_>, policy: &pb::RetryPolicy, names: &mut Names) -> Result<Retry, Invalid> {
    fields!(at, policy => pb::RetryPolicy {
        read: [
            retry_on, num_retries, per_try_timeout, per_try_idle_timeout, retriable_status_codes, retry_back_off,
            retry_host_predicate, host_selection_retry_max_attempts, rate_limited_retry_back_off, retriable_headers,
            retriable_request_headers,
        ],
        harmless: [],
        refused: [retry_priority, retry_options_predicates, refresh_cluster_on_retry],
    });
    let (on, unknown) = RetryOn::parse(retry_on);
    if let Some(word) = unknown.first() {
        return Err(at.field("retry_on").unsupported(word));
    }
    let mut retry = Retry::new(on);
    let list = at.field("retriable_status_codes");
    retry.statuses = (retriable_status_codes.iter().enumerate())
        .map(|(index, status)| match u16::try_from(*status) {
            Ok(code @ 100..=599) => Ok(code),
            _ => Err(list.index(index).refuse(Rule::NotAStatus(*status))),
        })
        .collect::<Result<_, _>>()?;
    let mut matches = |name: &str, list: &[_]| -> Result<Box<[HeaderMatch]>, Invalid> {
        Ok(each(&at.field(name), list, |at, message| header_match(at, message, names))?.into())
    };
    retry.response_headers = matches("retriable_headers", retriable_headers)?;
    retry.request_headers = matches("retriable_request_headers", retriable_request_headers)?;
    retry.tries = number(at.field("num_retries"), num_retries, 0..=u32::MAX)?.unwrap_or(1);
    // Zero is Envoy's word for no limit of its own.
    retry.per_try_timeout = duration(at.field("per_try_timeout"), per_try_timeout)?.filter(|t| !t.is_zero());
    retry.per_try_idle_timeout =
        duration(at.field("per_try_idle_timeout"), per_try_idle_timeout)?.filter(|t| !t.is_zero());
    if let Some(back_off) = retry_back_off {
        let at = at.field("retry_back_off");
        let base = duration(at.field("base_interval"), &back_off.base_interval)?
            .filter(|base| !base.is_zero())
            .ok_or_else(|| at.missing("base_interval"))?;
        retry.back_off = base.max(LEAST_BACK_OFF);
        let max = duration(at.field("max_interval"), &back_off.max_interval)?;
        if let Some(max) = max.filter(|max| *max < base) {
            return Err(at
                .field("max_interval")
                .unsupported(format_args!("{max:?}, less than base_interval")));
        }
        retry.max_back_off =
            max.map_or(retry.back_off.saturating_mul(MAX_OVER_BASE), |max| max.max(LEAST_BACK_OFF));
    }
    retry.reset = (rate_limited_retry_back_off.as_ref())
        .map(|limited| reset(&at.field("rate_limited_retry_back_off"), limited))
        .transpose()?;
    retry.host_draws = host_draws(at, retry_host_predicate, *host_selection_retry_max_attempts)?;
    Ok(retry)
}

fn reset(at: &At<'_>, message: &pb::retry_policy::RateLimitedRetryBackOff) -> Result<Reset, Invalid> {
    use pb::retry_policy::ResetHeaderFormat::{Seconds, UnixTimestamp};
    fields!(at, message => pb::retry_policy::RateLimitedRetryBackOff {
        read: [reset_headers, max_interval],
        harmless: [],
        refused: [],
    });
    let list = at.field("reset_headers");
    if reset_headers.is_empty() {
        return Err(list.refuse(Rule::Empty));
    }
    let headers = each(&list, reset_headers, |at, header| {
        if !is_token(&header.name) {
            return Err(at.field("name").refuse(Rule::Empty));
        }
        let format = match choice(at.field("format"), header.format)? {
            Seconds => ResetFormat::Seconds,
            UnixTimestamp => ResetFormat::UnixTimestamp,
        };
        Ok(ResetHeader { name: header.name.to_ascii_lowercase().into(), format })
    })?;
    let max = duration(at.field("max_interval"), max_interval)?.unwrap_or(MAX_RESET);
    Ok(Reset { headers: headers.into(), max })
}

/// How often another endpoint is drawn; the only reason we know is that the request has been there.
fn host_draws(
    at: &At<'_>,
    predicates: &[pb::retry_policy::RetryHostPredicate],
    attempts: i64,
) -> Result<u32, Invalid> {
    let list = at.field("retry_host_predicate");
    for (index, predicate) in predicates.iter().enumerate() {
        let at = list.index(index);
        match &predicate.config_type {
            Some(pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig(any)) => {
                if !is::<PreviousHostsPredicate>(any) {
                    return Err(unknown(&at.field("typed_config"), any));
                }
            }
            // A name alone was enough before extensions had types.
            None if predicate.name == "envoy.retry_host_predicates.previous_hosts" => {}
            None => return Err(at.unsupported(&predicate.name)),
        }
    }
    let at = at.field("host_selection_retry_max_attempts");
    let attempts = u32::try_from(attempts)
        .map_err(|_| at.refuse(Rule::OutOfRange { value: attempts, min: 0, max: u32::MAX.into() }))?;
    // Envoy's default is one attempt.
    Ok(if predicates.is_empty() { 0 } else { attempts.max(1) })
}
