//! Resources as short as a test wants them.

use std::time::Duration;

use forebay_proto::envoy::config::cluster::v3 as cluster;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::endpoint::v3 as endpoint;
use forebay_proto::envoy::config::listener::v3 as listener;
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::extensions::filters::http::router::v3::Router;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf as pb;
use forebay_proto::{Any, Body};
use prost::{Message, Name};

pub(crate) fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

/// As it comes from a control plane.
pub(crate) fn body<M: Message + Name>(message: &M) -> Body {
    any(message).into()
}

pub(crate) fn duration(value: Duration) -> Option<pb::Duration> {
    Some(pb::Duration { seconds: value.as_secs() as i64, nanos: value.subsec_nanos() as i32 })
}

pub(crate) fn number(value: u32) -> Option<pb::UInt32Value> {
    Some(pb::UInt32Value { value })
}

pub(crate) fn yes() -> Option<pb::BoolValue> {
    Some(pb::BoolValue { value: true })
}

pub(crate) fn ads() -> Option<core::ConfigSource> {
    let ads = core::config_source::ConfigSourceSpecifier::Ads(Default::default());
    Some(core::ConfigSource { config_source_specifier: Some(ads), ..Default::default() })
}

pub(crate) fn address(host: &str, port: u32) -> Option<core::Address> {
    let socket = core::SocketAddress {
        address: host.to_owned(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port)),
        ..Default::default()
    };
    Some(core::Address { address: Some(core::address::Address::SocketAddress(socket)) })
}

pub(crate) fn filter<M: Message + Name>(name: &str, message: &M) -> hcm::HttpFilter {
    hcm::HttpFilter {
        name: name.to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(message))),
        ..Default::default()
    }
}

pub(crate) fn manager(routes: &str) -> hcm::HttpConnectionManager {
    use hcm::http_connection_manager::RouteSpecifier::Rds;
    hcm::HttpConnectionManager {
        stat_prefix: "ingress_http".to_owned(),
        http_filters: vec![filter("envoy.filters.http.router", &Router::default())],
        route_specifier: Some(Rds(hcm::Rds { config_source: ads(), route_config_name: routes.to_owned() })),
        ..Default::default()
    }
}

pub(crate) fn listener_with(name: &str, manager: &hcm::HttpConnectionManager) -> listener::Listener {
    let filter = listener::Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(any(manager))),
    };
    listener::Listener {
        name: name.to_owned(),
        address: address("127.0.0.1", 8080),
        filter_chains: vec![listener::FilterChain { filters: vec![filter], ..Default::default() }],
        ..Default::default()
    }
}

pub(crate) fn listener(name: &str, routes: &str) -> listener::Listener {
    listener_with(name, &manager(routes))
}

pub(crate) fn routes(name: &str, hosts: Vec<route::VirtualHost>) -> route::RouteConfiguration {
    route::RouteConfiguration { name: name.to_owned(), virtual_hosts: hosts, ..Default::default() }
}

pub(crate) fn vhds(name: &str) -> route::RouteConfiguration {
    let vhds = Some(route::Vhds { config_source: ads() });
    route::RouteConfiguration { vhds, ignore_port_in_host_matching: true, ..routes(name, Vec::new()) }
}

/// A host with one route, `/` to `cluster`.
pub(crate) fn host(name: &str, domains: &[&str], cluster: &str) -> route::VirtualHost {
    route::VirtualHost {
        name: name.to_owned(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        routes: vec![route_to(cluster)],
        ..Default::default()
    }
}

pub(crate) fn route_to(cluster: &str) -> route::Route {
    let action = route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(cluster.to_owned())),
        ..Default::default()
    };
    route::Route {
        r#match: Some(route::RouteMatch {
            path_specifier: Some(route::route_match::PathSpecifier::Prefix("/".to_owned())),
            ..Default::default()
        }),
        action: Some(route::route::Action::Route(action)),
        ..Default::default()
    }
}

pub(crate) fn of_type(name: &str, kind: cluster::cluster::DiscoveryType) -> cluster::Cluster {
    cluster::Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(kind as i32)),
        ..Default::default()
    }
}

pub(crate) fn eds(name: &str) -> cluster::Cluster {
    cluster::Cluster {
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: ads(),
            ..Default::default()
        }),
        ..of_type(name, cluster::cluster::DiscoveryType::Eds)
    }
}

pub(crate) fn fixed(name: &str, addresses: &[(&str, u32)]) -> cluster::Cluster {
    cluster::Cluster {
        load_assignment: Some(assignment(name, addresses)),
        ..of_type(name, cluster::cluster::DiscoveryType::Static)
    }
}

/// An EDS cluster that is a revision.
pub(crate) fn revision(name: &str, concurrency: u32) -> cluster::Cluster {
    let text = |text: &str| pb::value::Kind::StringValue(text.to_owned());
    facts(
        name,
        &[
            ("namespace", text("default")),
            ("name", text(name)),
            ("container_concurrency", number_kind(concurrency)),
        ],
    )
}

pub(crate) fn number_kind(value: u32) -> pb::value::Kind {
    pb::value::Kind::NumberValue(value.into())
}

pub(crate) fn facts(name: &str, facts: &[(&str, pb::value::Kind)]) -> cluster::Cluster {
    let fields =
        facts.iter().map(|(key, kind)| ((*key).to_owned(), pb::Value { kind: Some(kind.clone()) })).collect();
    let metadata = core::Metadata {
        filter_metadata: [("forebay.revision".to_owned(), pb::Struct { fields })].into(),
        ..Default::default()
    };
    cluster::Cluster { metadata: Some(metadata), ..eds(name) }
}

pub(crate) fn assignment(name: &str, addresses: &[(&str, u32)]) -> endpoint::ClusterLoadAssignment {
    states(
        name,
        &addresses.iter().map(|(host, port)| (*host, *port, core::HealthStatus::Unknown)).collect::<Vec<_>>(),
    )
}

pub(crate) fn states(
    name: &str,
    endpoints: &[(&str, u32, core::HealthStatus)],
) -> endpoint::ClusterLoadAssignment {
    let lb_endpoint = |(host, port, status): &(&str, u32, core::HealthStatus)| endpoint::LbEndpoint {
        health_status: *status as i32,
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint::Endpoint {
            address: address(host, *port),
            ..Default::default()
        })),
        ..Default::default()
    };
    let lb_endpoints = endpoints.iter().map(lb_endpoint).collect();
    endpoint::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![endpoint::LocalityLbEndpoints { lb_endpoints, ..Default::default() }],
        ..Default::default()
    }
}
