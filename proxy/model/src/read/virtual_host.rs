//! `route.v3.VirtualHost`: domains and their routes.

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_route::VirtualHost;

use super::at::At;
use super::fields::fields;
use super::headers::{Lists, header_ops};
use super::invalid::{Invalid, Rule};
use super::per_filter::per_filter;
use super::retry::retry;
use super::route::route;
use super::scalar::each;
use crate::names::Names;

/// Reads a virtual host.
pub(crate) fn virtual_host(
    at: &At<'_>,
    message: &pb::VirtualHost,
    direct_body: u32,
    names: &mut Names,
) -> Result<VirtualHost, Invalid> {
    fields!(at, message => pb::VirtualHost {
        read: [
            name, domains, routes, require_tls, request_headers_to_add, request_headers_to_remove, response_headers_to_add,
            response_headers_to_remove, typed_per_filter_config, retry_policy,
        ],
        harmless: [
            // Notes and counters.
            virtual_clusters, metadata,
            // What a request may hold of a body, its cluster says.
            per_request_buffer_limit_bytes, request_body_buffer_limit,
        ],
        refused: [
            matcher, rate_limits, cors, include_request_attempt_count, include_attempt_count_in_response,
            retry_policy_typed_config, hedge_policy, include_is_timeout_retry_header, request_mirror_policies,
            route_specifiers,
        ],
    });
    if name.is_empty() {
        return Err(at.field("name").refuse(Rule::Empty));
    }
    if *require_tls != pb::virtual_host::TlsRequirementType::None as i32 {
        return Err(at.field("require_tls").unsupported(require_tls));
    }
    per_filter(at, typed_per_filter_config)?;
    let list = at.field("domains");
    if domains.is_empty() {
        return Err(list.refuse(Rule::Empty));
    }
    for (index, text) in domains.iter().enumerate() {
        domain(&list.index(index), text)?;
    }
    let retry =
        retry_policy.as_ref().map(|policy| retry(&at.field("retry_policy"), policy)).transpose()?.flatten();
    let routes = each(&at.field("routes"), routes, |at, message| {
        route(at, message, retry.as_ref(), direct_body, names)
    })?;
    let headers = header_ops(
        at,
        Lists {
            request_add: request_headers_to_add,
            request_remove: request_headers_to_remove,
            response_add: response_headers_to_add,
            response_remove: response_headers_to_remove,
        },
        names,
    )?;
    Ok(VirtualHost::new(name.as_str(), domains, routes, headers))
}

/// A star may stand alone, first or last. Envoy reads one at both ends as a suffix, and so does the table: it can only
/// ever match a host that ends in a star or a port called so.
fn domain(at: &At<'_>, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(at.refuse(Rule::Empty));
    }
    let inner = text.strip_prefix('*').unwrap_or(text);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if inner.contains('*') || text.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return Err(at.refuse(Rule::BadDomain(text.to_owned())));
    }
    Ok(())
}
