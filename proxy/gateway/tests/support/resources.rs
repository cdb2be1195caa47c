//! The resources of a gateway in front of some endpoints, as a control plane would write them. Shared by tests and examples.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "shared: not everybody needs everything")]

use std::net::SocketAddr;

use forebay_proto::envoy::config::{
    accesslog::v3 as log, cluster::v3 as c, core::v3 as core, endpoint::v3 as e, listener::v3 as l,
    route::v3 as r,
};
use forebay_proto::envoy::extensions::access_loggers::file::v3::{FileAccessLog, file_access_log};
use forebay_proto::envoy::extensions::filters::http::router::v3::Router;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::envoy::extensions::upstreams::http::v3 as http;
use forebay_proto::google::protobuf::{Any, BoolValue, Duration, Struct, Value, value::Kind};
use prost::{Message, Name};

pub use c::Cluster;
pub use forebay_proto::envoy::config::core::v3::HeaderValueOption;
pub use hcm::HttpConnectionManager as Manager;
pub use l::Listener;
pub use r::{Route, VirtualHost};

pub fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

pub fn address(at: SocketAddr) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: at.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(at.port().into())),
            ..Default::default()
        })),
    })
}

fn ads() -> Option<core::ConfigSource> {
    Some(core::ConfigSource {
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    })
}

/// A connection manager with the router, its routes in `services`.
pub fn manager() -> Manager {
    let router = hcm::HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..Default::default()
    };
    Manager {
        stat_prefix: "ingress_http".to_owned(),
        http_filters: vec![router],
        use_remote_address: Some(BoolValue { value: true }),
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(hcm::Rds {
            config_source: ads(),
            route_config_name: "services".to_owned(),
        })),
        ..Default::default()
    }
}

/// A filter before the router.
pub fn filter<M: Message + Name>(name: &str, settings: &M) -> hcm::HttpFilter {
    hcm::HttpFilter {
        name: name.to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(settings))),
        ..Default::default()
    }
}

/// An access log in a file, in Envoy's default format unless another is given.
pub fn access_log(path: &std::path::Path, format: Option<&str>) -> log::AccessLog {
    let format = format.map(|text| {
        file_access_log::AccessLogFormat::LogFormat(core::SubstitutionFormatString {
            format: Some(core::substitution_format_string::Format::TextFormatSource(core::DataSource {
                specifier: Some(core::data_source::Specifier::InlineString(text.to_owned())),
                ..Default::default()
            })),
            ..Default::default()
        })
    });
    let file = FileAccessLog { path: path.display().to_string(), access_log_format: format };
    log::AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        config_type: Some(log::access_log::ConfigType::TypedConfig(any(&file))),
        ..Default::default()
    }
}

/// The listener `gateway`.
pub fn listener(at: SocketAddr, manager: &Manager) -> l::Listener {
    let filter = l::Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(l::filter::ConfigType::TypedConfig(any(manager))),
    };
    l::Listener {
        name: "gateway".to_owned(),
        address: address(at),
        filter_chains: vec![l::FilterChain { filters: vec![filter], ..Default::default() }],
        ..Default::default()
    }
}

/// A listener filter.
pub fn listener_filter<M: Message + Name>(message: &M) -> l::ListenerFilter {
    l::ListenerFilter {
        config_type: Some(l::listener_filter::ConfigType::TypedConfig(any(message))),
        ..Default::default()
    }
}

/// The routes of all hosts.
pub fn routes(virtual_hosts: Vec<VirtualHost>) -> r::RouteConfiguration {
    r::RouteConfiguration { name: "services".to_owned(), virtual_hosts, ..Default::default() }
}

/// A host.
pub fn host(name: &str, domain: &str, routes: Vec<Route>) -> VirtualHost {
    VirtualHost { name: name.to_owned(), domains: vec![domain.to_owned()], routes, ..Default::default() }
}

/// What a prefix does.
pub fn route(prefix: &str, action: r::route::Action) -> Route {
    Route {
        r#match: Some(r::RouteMatch {
            path_specifier: Some(r::route_match::PathSpecifier::Prefix(prefix.to_owned())),
            ..Default::default()
        }),
        action: Some(action),
        ..Default::default()
    }
}

/// Forwards to a cluster, without a time limit, websockets allowed.
pub fn forward(cluster: &str) -> r::route::Action {
    r::route::Action::Route(r::RouteAction {
        cluster_specifier: Some(r::route_action::ClusterSpecifier::Cluster(cluster.to_owned())),
        timeout: Some(Duration::default()),
        upgrade_configs: vec![r::route_action::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            enabled: Some(BoolValue { value: true }),
            ..Default::default()
        }],
        ..Default::default()
    })
}

/// The same with a change.
pub fn forward_with(cluster: &str, change: impl FnOnce(&mut r::RouteAction)) -> r::route::Action {
    let mut action = forward(cluster);
    if let r::route::Action::Route(action) = &mut action {
        change(action);
    }
    action
}

/// Bytes of a body that may be kept.
pub fn limit_body(route: &mut Route, bytes: u64) {
    route.request_body_buffer_limit = Some(forebay_proto::google::protobuf::UInt64Value { value: bytes });
}

/// A header that has to be there.
pub fn header_is_there(name: &str) -> r::HeaderMatcher {
    r::HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(r::header_matcher::HeaderMatchSpecifier::PresentMatch(true)),
        ..Default::default()
    }
}

/// A header that is set, whatever was there.
pub fn set_header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(core::HeaderValue {
            key: name.to_owned(),
            value: value.to_owned(),
            ..Default::default()
        }),
        append_action: core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd as i32,
        ..Default::default()
    }
}

/// Knative's facts of a revision.
#[derive(Debug, Clone)]
pub struct Revision(Struct);

impl Revision {
    /// `default/backend-00001`, long clocks, no limit.
    pub fn new() -> Self {
        let facts = Self(Struct::default());
        ["namespace", "name", "service", "configuration"]
            .into_iter()
            .zip(["default", "backend-00001", "backend", "backend"])
            .fold(facts, |facts, (name, value)| facts.text(name, value))
            .number("timeout_ms", 300_000.0)
            .number("wait_timeout_ms", 300_000.0)
    }

    /// Sets a fact.
    pub fn number(mut self, name: &str, value: f64) -> Self {
        self.0.fields.insert(name.to_owned(), Value { kind: Some(Kind::NumberValue(value)) });
        self
    }

    /// Sets a fact.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.0.fields.insert(name.to_owned(), Value { kind: Some(Kind::StringValue(value.to_owned())) });
        self
    }
}

/// A cluster whose endpoints come over EDS; a revision if there are facts.
pub fn cluster(name: &str, revision: Option<&Revision>, h2: bool) -> c::Cluster {
    use http::http_protocol_options::UpstreamProtocolOptions::ExplicitHttpConfig as Explicit;
    use http::http_protocol_options::{ExplicitHttpConfig, explicit_http_config::ProtocolConfig};
    let options = http::HttpProtocolOptions {
        upstream_protocol_options: Some(Explicit(ExplicitHttpConfig {
            protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(Default::default())),
        })),
        ..Default::default()
    };
    c::Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(c::cluster::ClusterDiscoveryType::Type(
            c::cluster::DiscoveryType::Eds as i32,
        )),
        eds_cluster_config: Some(c::cluster::EdsClusterConfig { eds_config: ads(), ..Default::default() }),
        metadata: revision.map(|facts| core::Metadata {
            filter_metadata: [("forebay.revision".to_owned(), facts.0.clone())].into(),
            ..Default::default()
        }),
        typed_extension_protocol_options: if h2 {
            [(http::HttpProtocolOptions::full_name(), any(&options))].into()
        } else {
            Default::default()
        },
        ..Default::default()
    }
}

/// The endpoints of a cluster.
pub fn endpoints(cluster: &str, at: &[SocketAddr]) -> e::ClusterLoadAssignment {
    let lb_endpoints = at.iter().map(|at| e::LbEndpoint {
        host_identifier: Some(e::lb_endpoint::HostIdentifier::Endpoint(e::Endpoint {
            address: address(*at),
            ..Default::default()
        })),
        ..Default::default()
    });
    e::ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![e::LocalityLbEndpoints {
            lb_endpoints: lb_endpoints.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}
