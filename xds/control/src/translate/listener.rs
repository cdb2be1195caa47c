//! The installation to its one Listener and its one RouteConfiguration.

use std::time::Duration;

use forebay_proto::envoy::config::accesslog::v3 as accesslog;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::listener::v3 as pb;
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};
use forebay_proto::envoy::extensions::filters::http::router::v3::Router;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf::UInt32Value;

use super::wrap::{address, ads, any, duration, yes};
use super::{AccessLog, LISTENER, ROUTES, STAT_PREFIX, Settings};

/// The listener on all addresses of the settings.
///
/// # Panics
/// Never: without an address it listens on none, which the proxy refuses by name.
pub fn listener(settings: &Settings) -> pb::Listener {
    let filter = pb::Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(pb::filter::ConfigType::TypedConfig(any(&manager(settings)))),
    };
    let more = settings.listen.iter().skip(1);
    pb::Listener {
        name: LISTENER.to_owned(),
        address: settings.listen.first().and_then(|first| address(*first)),
        additional_addresses: more
            .map(|socket| pb::AdditionalAddress { address: address(*socket), ..Default::default() })
            .collect(),
        filter_chains: vec![pb::FilterChain { filters: vec![filter], ..Default::default() }],
        ..Default::default()
    }
}

fn manager(settings: &Settings) -> hcm::HttpConnectionManager {
    use hcm::http_connection_manager::{PathWithEscapedSlashesAction, RouteSpecifier, UpgradeConfig};
    hcm::HttpConnectionManager {
        stat_prefix: STAT_PREFIX.to_owned(),
        server_name: "forebay".to_owned(),
        http_filters: vec![hcm::HttpFilter {
            name: "envoy.filters.http.router".to_owned(),
            config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(&Router::default()))),
            ..Default::default()
        }],
        route_specifier: Some(RouteSpecifier::Rds(hcm::Rds {
            config_source: ads(),
            route_config_name: ROUTES.to_owned(),
        })),
        use_remote_address: yes(),
        // Off: what may be slow is decided per revision, by its own timeouts.
        stream_idle_timeout: duration(Duration::ZERO),
        upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".to_owned(), ..Default::default() }],
        // The hardened edge of Envoy's best practices.
        normalize_path: yes(),
        merge_slashes: true,
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::UnescapeAndRedirect as i32,
        max_request_headers_kb: u32::try_from(settings.max_header_bytes.div_ceil(1024))
            .ok()
            .map(|value| UInt32Value { value }),
        request_headers_timeout: duration(settings.header_timeout),
        common_http_protocol_options: Some(core::HttpProtocolOptions {
            idle_timeout: duration(settings.idle_timeout),
            max_headers_count: Some(UInt32Value { value: settings.max_headers }),
            ..Default::default()
        }),
        http_protocol_options: Some(core::Http1ProtocolOptions {
            accept_http_10: true,
            ..Default::default()
        }),
        access_log: settings.access_log.iter().map(access_log).collect(),
        ..Default::default()
    }
}

fn access_log(log: &AccessLog) -> accesslog::AccessLog {
    let format = log.format.as_ref().map(|text| core::SubstitutionFormatString {
        format: Some(core::substitution_format_string::Format::TextFormatSource(core::DataSource {
            specifier: Some(core::data_source::Specifier::InlineString(text.clone())),
            ..Default::default()
        })),
        ..Default::default()
    });
    let file =
        FileAccessLog { path: log.path.clone(), access_log_format: format.map(AccessLogFormat::LogFormat) };
    accesslog::AccessLog {
        name: "envoy.file_access_log".to_owned(),
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(any(&file))),
        ..Default::default()
    }
}

/// What Knative's components say to each other; from a client it would be a lie. Splits overwrite the rest of these words.
const OURS: [&str; 5] =
    ["k-network-hash", "k-network-probe", "k-proxy-request", "k-kubelet-probe", "k-passthrough-lb"];

/// The route configuration: no virtual host of its own, all by VHDS, so that one changed Service is one small resource.
pub fn route_configuration() -> route::RouteConfiguration {
    route::RouteConfiguration {
        name: ROUTES.to_owned(),
        vhds: Some(route::Vhds { config_source: ads() }),
        ignore_port_in_host_matching: true,
        request_headers_to_remove: OURS.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}
