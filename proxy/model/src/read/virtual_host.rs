//! `route.v3.VirtualHost`: domains and their routes.

use std::sync::Arc;

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_proto::google::protobuf::{UInt32Value, UInt64Value};
use forebay_route::{Rare, RequireTls, VirtualHost};

use super::at::At;
use super::fields::fields;
use super::headers::{Lists, header_ops};
use super::invalid::{Invalid, Rule};
use super::per_filter::per_filter;
use super::retry::retry;
use super::route::route;
use super::route_action::Inherited;
use super::scalar::{choice, each};
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
            response_headers_to_remove, typed_per_filter_config, retry_policy, include_request_attempt_count,
            include_attempt_count_in_response, per_request_buffer_limit_bytes, request_body_buffer_limit,
        ],
        harmless: [
            // Notes and counters.
            virtual_clusters, metadata,
        ],
        refused: [
            matcher, rate_limits, cors, retry_policy_typed_config, hedge_policy, include_is_timeout_retry_header, request_mirror_policies,
            route_specifiers,
        ],
    });
    if name.is_empty() {
        return Err(at.field("name").refuse(Rule::Empty));
    }
    let filters = per_filter(at, typed_per_filter_config, names)?;
    let list = at.field("domains");
    if domains.is_empty() {
        return Err(list.refuse(Rule::Empty));
    }
    for (index, text) in domains.iter().enumerate() {
        domain(&list.index(index), text)?;
    }
    let inherited = Inherited {
        retry: (retry_policy.as_ref())
            .map(|policy| retry(&at.field("retry_policy"), policy, names).map(Arc::new))
            .transpose()?,
        rare: Rare {
            count_to_upstream: *include_request_attempt_count,
            count_to_client: *include_attempt_count_in_response,
            buffer_limit: buffer_limit(at, per_request_buffer_limit_bytes, request_body_buffer_limit)?,
            ..Rare::default()
        },
    };
    let routes =
        each(&at.field("routes"), routes, |at, message| route(at, message, &inherited, direct_body, names))?;
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
    let mut host = VirtualHost::new(name.as_str(), domains, routes, headers);
    host.filters = filters;
    use pb::virtual_host::TlsRequirementType as Tls;
    host.require_tls = match choice(at.field("require_tls"), *require_tls)? {
        Tls::None => RequireTls::Nobody,
        Tls::ExternalOnly => RequireTls::Outsiders,
        Tls::All => RequireTls::Everybody,
    };
    Ok(host)
}

/// Bytes of a request's body that may be kept for another try: the older field only lowers what a connection may buffer.
pub(crate) fn buffer_limit(
    at: &At<'_>,
    older: &Option<UInt32Value>,
    newer: &Option<UInt64Value>,
) -> Result<Option<u64>, Invalid> {
    match (older, newer) {
        (Some(_), Some(newer)) => Err(at
            .field("request_body_buffer_limit")
            .unsupported(format_args!("{} beside per_request_buffer_limit_bytes", newer.value))),
        (Some(older), None) => Ok(Some(u64::from(older.value).min(CONNECTION_BUFFER))),
        (None, newer) => Ok(newer.map(|newer| newer.value)),
    }
}

/// Envoy's default for what a connection may buffer: 1 MiB.
const CONNECTION_BUFFER: u64 = 1 << 20;

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
