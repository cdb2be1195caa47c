//! `HttpConnectionManager.http_filters`: the filters before the router, in order. Knows of each only who reads it.

use forebay_proto::Any;
use forebay_proto::envoy::extensions::filters::http::{
    buffer::v3::Buffer, cors::v3::Cors, ext_authz::v3::ExtAuthz, fault::v3::HttpFault,
    header_mutation::v3::HeaderMutation, health_check::v3::HealthCheck, local_ratelimit::v3::LocalRateLimit,
    rbac::v3::Rbac, router::v3::Router,
};
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::each;
use crate::filter::{Filter, FilterKind};
use crate::names::Names;

pub(super) mod authz;
mod health_check;
pub(super) mod rate_limit;
pub(super) mod rbac;
pub(super) mod small;

/// The filters before the router, and whether the router sets headers of its own.
///
/// The router has to be last. A filter nobody knows is passed over if it says that it may be, or is switched off for good.
pub(crate) fn filters(
    at: &At<'_>,
    filters: &[pb::HttpFilter],
    names: &mut Names,
) -> Result<(Vec<Filter>, bool), Invalid> {
    use pb::http_filter::ConfigType::{ConfigDiscovery, TypedConfig};
    let mut read: Vec<Filter> = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let at = at.index(index);
        let last = index + 1 == filters.len();
        let any = match &filter.config_type {
            Some(TypedConfig(any)) => any,
            Some(ConfigDiscovery(_)) | None if filter.is_optional => continue,
            Some(ConfigDiscovery(source)) => return Err(at.field("config_discovery").unsupported(source)),
            None => return Err(at.missing("typed_config")),
        };
        if is::<Router>(any) && last {
            let envoy_headers = router(&at, &unpack(&at.field("typed_config"), any)?)?;
            return Ok((read, envoy_headers));
        }
        if filter.name.is_empty() {
            return Err(at.field("name").refuse(Rule::Empty));
        }
        if read.iter().any(|known| *known.name == *filter.name) {
            // A route could not say which of them it means.
            return Err(at.field("name").refuse(Rule::DuplicateName(filter.name.clone())));
        }
        match kind(&at.field("typed_config"), any, names)? {
            Some(kind) => {
                read.push(Filter { name: names.text(&filter.name), disabled: filter.disabled, kind });
            }
            // One that is off can only be wanted by a route, which is then refused by its own settings' type.
            None if filter.is_optional || filter.disabled => {}
            None => return Err(unknown(&at.field("typed_config"), any)),
        }
    }
    Err(at.refuse(Rule::NoRouter))
}

/// What a filter does; `None` if nobody here knows.
fn kind(at: &At<'_>, any: &Any, names: &mut Names) -> Result<Option<FilterKind>, Invalid> {
    Ok(Some(if is::<ExtAuthz>(any) {
        FilterKind::ExtAuthz(authz::ext_authz(at, &unpack(at, any)?, names)?.into())
    } else if is::<HealthCheck>(any) {
        FilterKind::HealthCheck(health_check::health_check(at, &unpack(at, any)?, names)?.into())
    } else if is::<HeaderMutation>(any) {
        FilterKind::HeaderMutation(small::header_mutation(at, &unpack(at, any)?, names)?.into())
    } else if is::<Cors>(any) {
        FilterKind::Cors
    } else if is::<Buffer>(any) {
        FilterKind::Buffer(small::buffer(at, &unpack(at, any)?)?)
    } else if is::<HttpFault>(any) {
        FilterKind::Fault(small::http_fault(at, &unpack(at, any)?, names)?.into())
    } else if is::<LocalRateLimit>(any) {
        let settings = rate_limit::local_rate_limit(at, &unpack(at, any)?, names)?;
        FilterKind::LocalRateLimit(settings.map(std::sync::Arc::new))
    } else if is::<Rbac>(any) {
        FilterKind::Rbac(rbac::rbac(at, &unpack(at, any)?, names)?.into())
    } else {
        return Ok(None);
    }))
}

fn router(at: &At<'_>, router: &Router) -> Result<bool, Invalid> {
    let at = at.field("typed_config");
    fields!(at, router => Router {
        read: [suppress_envoy_headers],
        harmless: [
            dynamic_stats, start_child_span, upstream_log_options, suppress_grpc_request_failure_code_stats,
            reject_connect_request_early_data,
        ],
        refused: [
            upstream_log, strict_check_headers, respect_expected_rq_timeout, upstream_http_filters,
        ],
    });
    Ok(!*suppress_envoy_headers)
}

/// Reads header matchers, all of which have to match.
fn matchers(
    at: &At<'_>,
    list: &[forebay_proto::envoy::config::route::v3::HeaderMatcher],
    names: &mut Names,
) -> Result<Vec<forebay_route::HeaderMatch>, Invalid> {
    each(at, list, |at, header| super::matching::header_match(at, header, names))
}
