//! `health_check.v3.HealthCheck`.

use forebay_proto::envoy::extensions::filters::http::health_check::v3 as pb;

use super::matchers;
use crate::filter::HealthCheck;
use crate::names::Names;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::invalid::Invalid;

/// Reads it. What a health check is, its headers say.
pub(super) fn health_check(
    at: &At<'_>,
    message: &pb::HealthCheck,
    names: &mut Names,
) -> Result<HealthCheck, Invalid> {
    fields!(at, message => pb::HealthCheck {
        read: [pass_through_mode, headers],
        harmless: [],
        refused: [cache_time, cluster_min_healthy_percentages],
    });
    let Some(pass_through) = pass_through_mode else { return Err(at.missing("pass_through_mode")) };
    Ok(HealthCheck {
        pass_through: pass_through.value,
        headers: matchers(&at.field("headers"), headers, names)?,
    })
}
