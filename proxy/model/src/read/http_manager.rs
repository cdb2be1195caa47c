//! `http_connection_manager.v3.HttpConnectionManager`.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as pb;
use forebay_route::VirtualHost;

use super::access_log::access_logs;
use super::address::cidr;
use super::at::At;
use super::config_source::{Wanted, config_source};
use super::fields::fields;
use super::filters::filters;
use super::http_options::{common, header_case, http1, http2};
use super::invalid::{Invalid, Rule};
use super::local_reply::local_replies;
use super::route_action::upgrade;
use super::route_config::inline;
use super::scalar::{choice, duration, each, flag, number, off};
use super::tracing::tracing as read_tracing;
use crate::http_manager::{
    CertDetails, ClientCert, Codec, EscapedSlashes, HttpManager, InternalRanges, RouteSource, ServerHeader,
    StripPort,
};
use crate::names::Names;

/// Envoy's default for a stream on which nothing moves.
const STREAM_IDLE: Duration = Duration::from_secs(300);
/// Envoy's default between the two GOAWAYs.
const DRAIN: Duration = Duration::from_secs(5);
/// Envoy's default for a closed connection to linger.
const DELAYED_CLOSE: Duration = Duration::from_secs(1);
/// Envoy's default for the size of a request's head, in KiB, and the most that may be asked for.
const HEADERS_KB: (u32, u32) = (60, 8192);

/// Where a manager's routes come from, with what only the warming needs to know.
pub(crate) enum Routes {
    /// Over RDS.
    Rds {
        name: Arc<str>,
        /// How long to wait for the first answer; `None` is for ever.
        wait: Option<Duration>,
    },
    /// In the manager; the hosts are those of its table.
    Inline { hosts: Vec<Arc<VirtualHost>> },
}

/// Reads a connection manager.
pub(crate) fn http_manager(
    at: &At<'_>,
    message: &pb::HttpConnectionManager,
    names: &mut Names,
) -> Result<(HttpManager, Routes), Invalid> {
    fields!(at, message => pb::HttpConnectionManager {
        read: [
            codec_type, stat_prefix, http_filters, add_user_agent, common_http_protocol_options, http_protocol_options,
            http2_protocol_options, server_name, server_header_transformation, max_request_headers_kb,
            stream_idle_timeout, request_timeout, request_headers_timeout, drain_timeout, delayed_close_timeout,
            access_log, use_remote_address, xff_num_trusted_hops, skip_xff_append, via, generate_request_id,
            preserve_external_request_id, always_set_request_id_in_response, proxy_100_continue, upgrade_configs,
            normalize_path, merge_slashes, path_with_escaped_slashes_action, strip_matching_host_port,
            strip_trailing_host_dot, append_x_forwarded_port, route_specifier, strip_port_mode,
            add_proxy_protocol_connection_state, tracing, forward_client_cert_details, internal_address_config,
            local_reply_config, set_current_client_cert_details,
        ],
        harmless: [
            // HTTP/3 is never negotiated here.
            http3_protocol_options,
            // When a drain or a flush happens is ours to choose.
            drain_timeout_jitter, stream_flush_timeout, http1_safe_max_connection_duration,
            access_log_flush_interval, flush_access_log_on_new_request, access_log_options,
            // What is broken closes an HTTP/1 connection and resets an HTTP/2 stream.
            stream_error_on_invalid_http_message,
            append_local_overload, forward_proto_config,
        ],
        refused: [
            scheme_header_transformation, original_ip_detection_extensions, early_header_mutation_extensions,
            represent_ipv4_remote_address_as_ipv4_mapped_ipv6, request_id_extension,
            path_normalization_options, proxy_status_config, typed_header_validation_config,
            forward_client_cert_matcher,
        ],
    });
    off(at.field("add_user_agent"), add_user_agent)?;
    // No PROXY header is read here, so there is no state of one to add.
    let _ = add_proxy_protocol_connection_state;
    let (filters, envoy_headers) = filters(&at.field("http_filters"), http_filters, names)?;
    let (source, routes) = route_source(at, route_specifier, names)?;
    let common = common(&at.field("common_http_protocol_options"), common_http_protocol_options)?;
    let http1 = http1(&at.field("http_protocol_options"), http_protocol_options)?;
    let manager = HttpManager {
        stat_prefix: stat_prefix.as_str().into(),
        codec: codec(at.field("codec_type"), *codec_type)?,
        routes: source,
        filters,
        tracing: read_tracing(at, tracing, names)?,
        local_replies: local_replies(&at.field("local_reply_config"), local_reply_config, names)?,
        internal: internal(&at.field("internal_address_config"), internal_address_config)?,
        client_cert: client_cert(at, *forward_client_cert_details, set_current_client_cert_details)?,
        envoy_headers,
        access_logs: access_logs(&at.field("access_log"), access_log, names)?,
        server_header: server_header(
            at.field("server_header_transformation"),
            *server_header_transformation,
            server_name,
        )?,
        use_remote_address: flag(use_remote_address, false),
        xff_trusted_hops: *xff_num_trusted_hops,
        skip_xff_append: *skip_xff_append,
        via: some_text(via),
        idle_timeout: common.idle_timeout,
        max_connection_duration: common.max_connection_duration,
        max_requests_per_connection: common.max_requests_per_connection,
        stream_idle_timeout: duration(at.field("stream_idle_timeout"), stream_idle_timeout)?
            .unwrap_or(STREAM_IDLE),
        request_timeout: duration(at.field("request_timeout"), request_timeout)?.unwrap_or_default(),
        request_headers_timeout: duration(at.field("request_headers_timeout"), request_headers_timeout)?
            .unwrap_or_default(),
        max_stream_duration: common.max_stream_duration,
        drain_timeout: duration(at.field("drain_timeout"), drain_timeout)?.unwrap_or(DRAIN),
        delayed_close_timeout: duration(at.field("delayed_close_timeout"), delayed_close_timeout)?
            .unwrap_or(DELAYED_CLOSE),
        max_request_headers_kb: number(
            at.field("max_request_headers_kb"),
            max_request_headers_kb,
            1..=HEADERS_KB.1,
        )?
        .unwrap_or(HEADERS_KB.0),
        max_headers_count: common.max_headers_count,
        underscores: common.underscores,
        http2: http2(&at.field("http2_protocol_options"), http2_protocol_options)?,
        upgrades: upgrades(&at.field("upgrade_configs"), upgrade_configs)?,
        generate_request_id: flag(generate_request_id, true),
        preserve_external_request_id: *preserve_external_request_id,
        always_set_request_id_in_response: *always_set_request_id_in_response,
        accept_http_10: http1.accept_http_10,
        header_case: header_case(&at.field("http_protocol_options"), &http1.header_key_format)?,
        default_host_for_http_10: some_text(&http1.default_host_for_http_10),
        normalize_path: normalize_path.as_ref().map(|v| v.value),
        merge_slashes: *merge_slashes,
        escaped_slashes: escaped_slashes(
            at.field("path_with_escaped_slashes_action"),
            *path_with_escaped_slashes_action,
        )?,
        strip_port: strip_port(*strip_matching_host_port, strip_port_mode),
        strip_trailing_host_dot: *strip_trailing_host_dot,
        append_x_forwarded_port: *append_x_forwarded_port,
        proxy_100_continue: *proxy_100_continue,
    };
    Ok((manager, routes))
}

fn client_cert(
    at: &At<'_>,
    value: i32,
    told: &Option<pb::http_connection_manager::SetCurrentClientCertDetails>,
) -> Result<ClientCert, Invalid> {
    use pb::http_connection_manager::ForwardClientCertDetails::{
        AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet,
    };
    let mut details = CertDetails::default();
    if let Some(told) = told {
        let at = at.field("set_current_client_cert_details");
        fields!(at, told => pb::http_connection_manager::SetCurrentClientCertDetails {
            read: [subject, cert, chain, dns, uri],
            harmless: [],
            refused: [issuer, format],
        });
        details =
            CertDetails { subject: flag(subject, false), cert: *cert, chain: *chain, dns: *dns, uri: *uri };
    }
    Ok(match choice(at.field("forward_client_cert_details"), value)? {
        Sanitize => ClientCert::Sanitize,
        ForwardOnly => ClientCert::Forward,
        AppendForward => ClientCert::Append(details),
        SanitizeSet => ClientCert::Set(details),
        AlwaysForwardOnly => ClientCert::AlwaysForward,
    })
}

/// Whose requests are internal: nobody's unless it is said, as in Envoy since 1.33.
fn internal(
    at: &At<'_>,
    config: &Option<pb::http_connection_manager::InternalAddressConfig>,
) -> Result<InternalRanges, Invalid> {
    let Some(config) = config else { return Ok(InternalRanges::default()) };
    fields!(at, config => pb::http_connection_manager::InternalAddressConfig {
        read: [cidr_ranges],
        // Nobody comes over a Unix socket.
        harmless: [unix_sockets],
        refused: [],
    });
    let ranges = each(&at.field("cidr_ranges"), cidr_ranges, cidr)?;
    Ok(InternalRanges(ranges))
}

fn some_text(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

fn route_source(
    at: &At<'_>,
    specifier: &Option<pb::http_connection_manager::RouteSpecifier>,
    names: &mut Names,
) -> Result<(RouteSource, Routes), Invalid> {
    use pb::http_connection_manager::RouteSpecifier::{Rds, RouteConfig, ScopedRoutes};
    match specifier {
        Some(Rds(rds)) => {
            let at = at.field("rds");
            if rds.route_config_name.is_empty() {
                return Err(at.field("route_config_name").refuse(Rule::Empty));
            }
            let source = at.field("config_source");
            let Wanted { key: name, wait } =
                config_source(&source, &rds.config_source, &rds.route_config_name)?;
            Ok((RouteSource::Rds(name.clone()), Routes::Rds { name, wait }))
        }
        Some(RouteConfig(config)) => {
            let at = at.field("route_config");
            let (table, hosts) = inline(&at, config, names)?;
            Ok((RouteSource::Inline(Arc::new(table)), Routes::Inline { hosts }))
        }
        Some(ScopedRoutes(scoped)) => Err(at.field("scoped_routes").unsupported(&scoped.name)),
        None => Err(at.missing("route_specifier")),
    }
}

fn codec(at: At<'_>, value: i32) -> Result<Codec, Invalid> {
    use pb::http_connection_manager::CodecType;
    match choice(at, value)? {
        CodecType::Auto => Ok(Codec::Auto),
        CodecType::Http1 => Ok(Codec::Http1),
        CodecType::Http2 => Ok(Codec::Http2),
        CodecType::Http3 => Err(at.unsupported(format_args!("HTTP3"))),
    }
}

fn server_header(at: At<'_>, value: i32, name: &str) -> Result<ServerHeader, Invalid> {
    use pb::http_connection_manager::ServerHeaderTransformation::{AppendIfAbsent, Overwrite, PassThrough};
    let name = || if name.is_empty() { "envoy".into() } else { name.into() };
    Ok(match choice(at, value)? {
        AppendIfAbsent => ServerHeader::AppendIfAbsent(name()),
        Overwrite => ServerHeader::Overwrite(name()),
        PassThrough => ServerHeader::PassThrough,
    })
}

fn escaped_slashes(at: At<'_>, value: i32) -> Result<EscapedSlashes, Invalid> {
    use pb::http_connection_manager::PathWithEscapedSlashesAction::{
        ImplementationSpecificDefault, KeepUnchanged, RejectRequest, UnescapeAndForward, UnescapeAndRedirect,
    };
    Ok(match choice(at, value)? {
        ImplementationSpecificDefault | KeepUnchanged => EscapedSlashes::Keep,
        RejectRequest => EscapedSlashes::Reject,
        UnescapeAndForward => EscapedSlashes::UnescapeAndForward,
        UnescapeAndRedirect => EscapedSlashes::UnescapeAndRedirect,
    })
}

fn strip_port(matching: bool, mode: &Option<pb::http_connection_manager::StripPortMode>) -> StripPort {
    use pb::http_connection_manager::StripPortMode::StripAnyHostPort;
    match mode {
        Some(StripAnyHostPort(true)) => StripPort::Any,
        _ if matching => StripPort::Matching,
        _ => StripPort::No,
    }
}

fn upgrades(
    at: &At<'_>,
    configs: &[pb::http_connection_manager::UpgradeConfig],
) -> Result<Vec<(Arc<str>, bool)>, Invalid> {
    let mut upgrades: Vec<(Arc<str>, bool)> = Vec::with_capacity(configs.len());
    for (index, config) in configs.iter().enumerate() {
        let at = at.index(index);
        fields!(at, config => pb::http_connection_manager::UpgradeConfig {
            read: [upgrade_type, enabled],
            harmless: [],
            refused: [filters],
        });
        upgrades.push((upgrade(&at, upgrade_type)?, flag(enabled, true)));
    }
    Ok(upgrades)
}
