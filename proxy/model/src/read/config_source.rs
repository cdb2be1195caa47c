//! `core.v3.ConfigSource`: where a further resource comes from. Only the one aggregated stream is known.

use std::time::Duration;

use forebay_proto::envoy::config::core::v3 as core;

use super::at::At;
use super::fields::fields;
use super::invalid::Invalid;
use super::scalar::duration;

/// Envoy's default: how long a first answer is waited for before its absence is taken as the answer.
const INITIAL_FETCH: Duration = Duration::from_secs(15);

/// How long to wait for the first answer; `None` is for ever.
pub(crate) fn config_source(
    at: &At<'_>,
    source: &Option<core::ConfigSource>,
) -> Result<Option<Duration>, Invalid> {
    use core::config_source::ConfigSourceSpecifier::{Ads, Self_};
    let Some(source) = source else { return Err(at.missing("ads")) };
    fields!(at, source => core::ConfigSource {
        read: [initial_fetch_timeout, config_source_specifier],
        // There is one version of the API left.
        harmless: [resource_api_version],
        refused: [authorities],
    });
    match config_source_specifier {
        // `self` is "the stream that this resource came by", and there is only one.
        Some(Ads(_) | Self_(_)) => {}
        Some(other) => return Err(at.unsupported(other)),
        None => return Err(at.missing("ads")),
    }
    let wait = duration(at.field("initial_fetch_timeout"), initial_fetch_timeout)?.unwrap_or(INITIAL_FETCH);
    Ok((!wait.is_zero()).then_some(wait))
}
