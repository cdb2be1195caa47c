//! `ext_authz.v3.ExtAuthz` and what routes tell it.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::filters::http::ext_authz::v3 as pb;
use forebay_proto::envoy::r#type::matcher::v3::ListStringMatcher;
use forebay_route::{HeaderAdd, HeaderAddAction};

use crate::filter::{AuthzBody, AuthzGrpc, AuthzHttp, AuthzRoute, AuthzService, ExtAuthz, HeaderNames};
use crate::names::Names;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::headers::header_value;
use crate::read::invalid::{Invalid, Rule};
use crate::read::matching::{fraction, text_match};
use crate::read::scalar::{choice, duration, each, flag};

/// Envoy's default for the wait for an authorizer.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Reads the filter's settings.
pub(super) fn ext_authz(at: &At<'_>, message: &pb::ExtAuthz, names: &mut Names) -> Result<ExtAuthz, Invalid> {
    fields!(at, message => pb::ExtAuthz {
        read: [
            transport_api_version, failure_mode_allow, failure_mode_allow_header_add, with_request_body, clear_route_cache,
            status_on_error, filter_enabled, deny_at_disable, allowed_headers, disallowed_headers, services,
            max_denied_response_body_bytes,
        ],
        harmless: [
            // Metadata exists here nowhere, so there is none to pass on, to log or to count by.
            metadata_context_namespaces, typed_metadata_context_namespaces, route_metadata_context_namespaces,
            route_typed_metadata_context_namespaces, filter_metadata, emit_filter_state_stats,
            enable_dynamic_metadata_ingestion, bootstrap_metadata_labels_key,
            // Client certificates are not asked for, so there is none to include.
            include_peer_certificate, include_tls_session,
            // Counters and spans. Several filters of one manager count together.
            stat_prefix,
            charge_cluster_response_stats, emit_client_span,
            // How many headers a response may have is limited in any case.
            enforce_response_header_limits,
        ],
        refused: [validate_mutations, filter_enabled_metadata, encode_raw_headers, decoder_header_mutation_rules, shadow_mode],
    });
    // Envoy has no other version left; "not said" is the one that is gone.
    if *transport_api_version != core::ApiVersion::V3 as i32 {
        let version: core::ApiVersion = choice(at.field("transport_api_version"), *transport_api_version)?;
        return Err(at.field("transport_api_version").unsupported(format_args!("{}", version.as_str_name())));
    }
    if *max_denied_response_body_bytes != 0 {
        return Err(at.field("max_denied_response_body_bytes").unsupported(max_denied_response_body_bytes));
    }
    let (service, http_allowed) = match services {
        Some(pb::ext_authz::Services::GrpcService(service)) => {
            (AuthzService::Grpc(grpc(&at.field("grpc_service"), service, names)?), None)
        }
        Some(pb::ext_authz::Services::HttpService(service)) => {
            let (service, allowed) = http(&at.field("http_service"), service, names)?;
            (AuthzService::Http(Box::new(service)), Some(allowed))
        }
        None => return Err(at.missing("services")),
    };
    let allowed_headers = match (allowed_headers, http_allowed) {
        (Some(list), http) => Some(merge(names_of(&at.field("allowed_headers"), list, names)?, http)),
        // A copy of a head is not to hold more than asked for; a description may.
        (None, Some(http)) => Some(merge(HeaderNames::default(), Some(http))),
        (None, None) => None,
    };
    Ok(ExtAuthz {
        service,
        failure_mode_allow: *failure_mode_allow,
        failure_mode_allow_header: *failure_mode_allow_header_add,
        body: with_body(&at.field("with_request_body"), with_request_body)?,
        clear_route_cache: *clear_route_cache,
        status_on_error: match status_on_error {
            Some(status) => u16::try_from(status.code)
                .ok()
                .filter(|code| (200..=599).contains(code))
                .ok_or_else(|| at.field("status_on_error").unsupported(status.code))?,
            None => 403,
        },
        enabled: match filter_enabled {
            Some(share) => Some(fraction(&at.field("filter_enabled"), share)?),
            None => None,
        },
        deny_at_disable: deny_at_disable.as_ref().is_some_and(|it| flag(&it.default_value, false)),
        allowed_headers,
        disallowed_headers: some_names(&at.field("disallowed_headers"), disallowed_headers, names)?
            .unwrap_or_default(),
    })
}

/// What an authorizer that speaks HTTP is told in any case (Envoy's documentation of `allowed_headers`).
const ALWAYS: [&str; 4] = [":authority", ":method", ":path", "authorization"];

fn merge(mut allowed: HeaderNames, http: Option<HeaderNames>) -> HeaderNames {
    if let Some(http) = http {
        allowed.0.extend(http.0);
        allowed.0.extend(ALWAYS.map(forebay_route::TextMatch::exact));
    }
    allowed
}

fn grpc(at: &At<'_>, message: &core::GrpcService, names: &mut Names) -> Result<AuthzGrpc, Invalid> {
    use core::grpc_service::TargetSpecifier::{EnvoyGrpc, GoogleGrpc};
    fields!(at, message => core::GrpcService {
        read: [timeout, initial_metadata, target_specifier],
        harmless: [],
        refused: [retry_policy],
    });
    let target = match target_specifier {
        Some(EnvoyGrpc(target)) => target,
        Some(GoogleGrpc(target)) => return Err(at.field("google_grpc").unsupported(&target.target_uri)),
        None => return Err(at.missing("target_specifier")),
    };
    let at_target = at.field("envoy_grpc");
    fields!(at_target, target => core::grpc_service::EnvoyGrpc {
        read: [cluster_name, authority],
        harmless: [max_receive_message_length, skip_envoy_headers],
        refused: [retry_policy],
    });
    let list = at.field("initial_metadata");
    Ok(AuthzGrpc {
        cluster: cluster(&at_target.field("cluster_name"), cluster_name, names)?,
        authority: names.text(if authority.is_empty() { cluster_name } else { authority }),
        timeout: duration(at.field("timeout"), timeout)?.unwrap_or(TIMEOUT),
        metadata: each(&list, initial_metadata, |at, header| {
            let (name, value, _) = header_value(at, header, names)?;
            Ok(HeaderAdd { name, value, action: HeaderAddAction::Append, keep_empty: true })
        })?,
    })
}

fn http(
    at: &At<'_>,
    message: &pb::HttpService,
    names: &mut Names,
) -> Result<(AuthzHttp, HeaderNames), Invalid> {
    use core::http_uri::HttpUpstreamType::Cluster;
    fields!(at, message => pb::HttpService {
        read: [server_uri, path_prefix, path_override, authorization_request, authorization_response],
        harmless: [],
        refused: [retry_policy],
    });
    let Some(uri) = server_uri else { return Err(at.missing("server_uri")) };
    let at_uri = at.field("server_uri");
    let Some(Cluster(name)) = &uri.http_upstream_type else { return Err(at_uri.missing("cluster")) };
    for (field, path) in [("path_prefix", path_prefix), ("path_override", path_override)] {
        if !path.is_empty() && !path.starts_with('/') {
            return Err(at.field(field).unsupported(path));
        }
    }
    let at_request = at.field("authorization_request");
    let nothing = pb::AuthorizationRequest::default();
    fields!(at_request, authorization_request.as_ref().unwrap_or(&nothing) => pb::AuthorizationRequest {
        read: [allowed_headers, headers_to_add],
        harmless: [],
        refused: [],
    });
    let list = at_request.field("headers_to_add");
    let headers_to_add = each(&list, headers_to_add, |at, header| {
        let (name, value, _) = header_value(at, header, names)?;
        Ok(HeaderAdd { name, value, action: HeaderAddAction::Append, keep_empty: false })
    })?;
    let allowed = some_names(&at_request.field("allowed_headers"), allowed_headers, names)?;
    let at_response = at.field("authorization_response");
    let nothing = pb::AuthorizationResponse::default();
    fields!(at_response, authorization_response.as_ref().unwrap_or(&nothing) => pb::AuthorizationResponse {
        read: [
            allowed_upstream_headers, allowed_upstream_headers_to_append, allowed_client_headers,
            allowed_client_headers_on_success,
        ],
        // There is no metadata here that anybody could read.
        harmless: [dynamic_metadata_from_headers],
        refused: [],
    });
    let mut list = |field, list| some_names(&at_response.field(field), list, names);
    let upstream_headers = list("allowed_upstream_headers", allowed_upstream_headers)?.unwrap_or_default();
    let upstream_headers_to_append =
        list("allowed_upstream_headers_to_append", allowed_upstream_headers_to_append)?.unwrap_or_default();
    let client_headers = list("allowed_client_headers", allowed_client_headers)?;
    let client_headers_on_success =
        list("allowed_client_headers_on_success", allowed_client_headers_on_success)?.unwrap_or_default();
    let service = AuthzHttp {
        cluster: cluster(&at_uri.field("cluster"), name, names)?,
        timeout: duration(at_uri.field("timeout"), &uri.timeout)?.unwrap_or(TIMEOUT),
        path_prefix: names.text(path_prefix),
        path_override: names.text(path_override),
        headers_to_add,
        upstream_headers,
        upstream_headers_to_append,
        client_headers,
        client_headers_on_success,
    };
    Ok((service, allowed.unwrap_or_default()))
}

/// A cluster that a filter names is kept for good: filters are few, and nobody counts who still asks through one.
fn cluster(at: &At<'_>, name: &str, names: &mut Names) -> Result<forebay_route::ClusterIx, Invalid> {
    if name.is_empty() {
        return Err(at.refuse(Rule::Empty));
    }
    let ix = names.cluster(name);
    names.hold(ix);
    Ok(ix)
}

fn names_of(at: &At<'_>, list: &ListStringMatcher, names: &mut Names) -> Result<HeaderNames, Invalid> {
    let at = at.field("patterns");
    each(&at, &list.patterns, |at, pattern| text_match(at, pattern, names)).map(HeaderNames)
}

/// An empty list is none.
fn some_names(
    at: &At<'_>,
    list: &Option<ListStringMatcher>,
    names: &mut Names,
) -> Result<Option<HeaderNames>, Invalid> {
    match list {
        Some(list) if !list.patterns.is_empty() => names_of(at, list, names).map(Some),
        _ => Ok(None),
    }
}

fn with_body(at: &At<'_>, settings: &Option<pb::BufferSettings>) -> Result<Option<AuthzBody>, Invalid> {
    let Some(settings) = settings else { return Ok(None) };
    fields!(at, settings => pb::BufferSettings {
        read: [max_request_bytes, allow_partial_message, pack_as_bytes],
        harmless: [],
        refused: [],
    });
    if *max_request_bytes == 0 {
        return Err(at.field("max_request_bytes").refuse(Rule::OutOfRange {
            value: 0,
            min: 1,
            max: u32::MAX.into(),
        }));
    }
    Ok(Some(AuthzBody {
        most: *max_request_bytes,
        allow_partial: *allow_partial_message,
        as_bytes: *pack_as_bytes,
    }))
}

/// Reads what a route tells the filter.
pub(in crate::read) fn per_route(
    at: &At<'_>,
    message: &pb::ExtAuthzPerRoute,
    names: &mut Names,
) -> Result<Option<AuthzRoute>, Invalid> {
    use pb::ext_authz_per_route::Override::{CheckSettings, Disabled};
    let settings = match &message.r#override {
        Some(Disabled(true)) => return Ok(Some(AuthzRoute::Disabled)),
        Some(Disabled(false)) => return Ok(None),
        Some(CheckSettings(settings)) => settings,
        None => return Err(at.missing("override")),
    };
    let at = at.field("check_settings");
    fields!(at, settings => pb::CheckSettings {
        read: [context_extensions, disable_request_body_buffering, with_request_body],
        harmless: [emit_client_span],
        refused: [service_override],
    });
    let mut extensions: Vec<(Arc<str>, Arc<str>)> =
        context_extensions.iter().map(|(k, v)| (names.text(k), names.text(v))).collect();
    extensions.sort_unstable();
    Ok(Some(AuthzRoute::Check {
        extensions: extensions.into(),
        no_body: *disable_request_body_buffering,
        body: with_body(&at.field("with_request_body"), with_request_body)?,
    }))
}
