//! `typed_per_filter_config`: what a table, a virtual host, a route or a split tells filters. Refuses, by type, settings that
//! nobody here knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use forebay_proto::Any;
use forebay_proto::envoy::config::route::v3::FilterConfig;
use forebay_proto::envoy::extensions::filters::http::{
    buffer::v3::BufferPerRoute, cors::v3::CorsPolicy, ext_authz::v3::ExtAuthzPerRoute, fault::v3::HttpFault,
    header_mutation::v3::HeaderMutationPerRoute, local_ratelimit::v3::LocalRateLimit, rbac::v3::RbacPerRoute,
};
use forebay_route::{Override, PerFilter, Told};

use super::any::{is, unknown, unpack};
use super::at::At;
use super::filters::{authz, rate_limit, rbac, small};
use super::invalid::Invalid;
use crate::names::Names;

/// Reads one level's settings.
pub(crate) fn per_filter(
    at: &At<'_>,
    settings: &HashMap<String, Any>,
    names: &mut Names,
) -> Result<PerFilter, Invalid> {
    if settings.is_empty() {
        return Ok(PerFilter::NONE);
    }
    let at = at.field("typed_per_filter_config");
    let mut all = Vec::with_capacity(settings.len());
    // In order, so that of two errors the same one is told every time.
    for (key, any) in settings.iter().collect::<BTreeMap<_, _>>() {
        let at = at.key(key);
        let filter = names.text(key);
        if !is::<FilterConfig>(any) {
            let told = told(&at, any, names)?.ok_or_else(|| unknown(&at, any))?.0;
            all.push(Override { filter, disabled: false, told });
            continue;
        }
        let wrapped: FilterConfig = unpack(&at, any)?;
        let at = at.field("config");
        match wrapped.config {
            // Switched off, whatever else is said.
            _ if wrapped.disabled => all.push(Override { filter, disabled: true, told: None }),
            None => return Err(at.refuse(super::invalid::Rule::Missing)),
            // An empty one switches on a filter that is off by default.
            Some(config) if config.type_url.is_empty() => {
                all.push(Override { filter, disabled: false, told: None });
            }
            Some(config) => match told(&at, &config, names)? {
                Some(Read(told)) => all.push(Override { filter, disabled: false, told }),
                None if wrapped.is_optional => {}
                None => return Err(unknown(&at, &config)),
            },
        }
    }
    Ok(all.into())
}

/// What a filter is told; nothing if the settings say nothing.
struct Read(Option<Arc<dyn Told>>);

/// The settings; `None` if nobody knows their type.
fn told(at: &At<'_>, any: &Any, names: &mut Names) -> Result<Option<Read>, Invalid> {
    if is::<ExtAuthzPerRoute>(any) {
        return said(authz::per_route(at, &unpack(at, any)?, names)?);
    }
    if is::<HeaderMutationPerRoute>(any) {
        return said(Some(small::mutation_per_route(at, &unpack(at, any)?, names)?));
    }
    if is::<CorsPolicy>(any) {
        return said(Some(small::cors_policy(at, &unpack(at, any)?, names)?));
    }
    if is::<BufferPerRoute>(any) {
        return said(small::buffer_per_route(at, &unpack(at, any)?)?);
    }
    if is::<HttpFault>(any) {
        return said(Some(small::http_fault(at, &unpack(at, any)?, names)?));
    }
    if is::<LocalRateLimit>(any) {
        return said(rate_limit::local_rate_limit(at, &unpack(at, any)?, names)?);
    }
    if is::<RbacPerRoute>(any) {
        return said(Some(rbac::per_route(at, &unpack(at, any)?, names)?));
    }
    Ok(None)
}

fn said<T: Told>(told: Option<T>) -> Result<Option<Read>, Invalid> {
    Ok(Some(Read(told.map(|told| Arc::new(told) as Arc<dyn Told>))))
}
