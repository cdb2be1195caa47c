//! Resources as text: what says the same for every revision is left out, the rest is one line for each thing.

use std::fmt::Write;

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3::address::Address;
use forebay_proto::envoy::config::core::v3::{HeaderValueOption, socket_address::PortSpecifier};
use forebay_proto::envoy::config::endpoint::v3::{ClusterLoadAssignment, lb_endpoint::HostIdentifier};
use forebay_proto::envoy::config::route::v3 as route;
use forebay_proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use forebay_proto::google::protobuf::value::Kind;
use forebay_proto::type_url;
use forebay_xds_server::Store;
use prost::Message;

fn get<M: Message + Default>(store: &Store, url: &str, name: &str) -> Option<M> {
    Some(M::decode(store.encoded(url, name)?.as_slice()).unwrap())
}

/// A virtual host: its domains, then its routes in order.
pub(crate) fn host(store: &Store, name: &str) -> String {
    let Some(host) = get::<route::VirtualHost>(store, type_url::VIRTUAL_HOST, name) else {
        return "none".into();
    };
    assert_eq!(host.name, name, "Envoy removes a host by the resource's name");
    let mut text = String::new();
    for domain in &host.domains {
        writeln!(text, "{domain}").unwrap();
    }
    for route in &host.routes {
        text.push_str(&route_text(route));
    }
    text
}

fn route_text(route: &route::Route) -> String {
    use route::route_match::PathSpecifier::Prefix;
    let mut text = String::new();
    let condition = route.r#match.as_ref().unwrap();
    let Some(Prefix(prefix)) = &condition.path_specifier else { panic!("{condition:?}") };
    write!(text, "{prefix}").unwrap();
    for header in &condition.headers {
        use route::header_matcher::HeaderMatchSpecifier::{PresentMatch, StringMatch};
        match header.header_match_specifier.as_ref().unwrap() {
            StringMatch(string) => match string.match_pattern.as_ref().unwrap() {
                MatchPattern::Exact(value) => write!(text, " if {}={value}", header.name).unwrap(),
                other => panic!("{other:?}"),
            },
            PresentMatch(true) => write!(text, " if {}", header.name).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    text.push_str(&headers(&route.request_headers_to_add));
    match route.action.as_ref().unwrap() {
        route::route::Action::Redirect(_) => text.push_str(" -> https\n"),
        route::route::Action::Route(action) => {
            assert_eq!(action.timeout, Some(Default::default()), "Envoy's own 15 s are off");
            let upgrades: Vec<_> =
                action.upgrade_configs.iter().map(|upgrade| &*upgrade.upgrade_type).collect();
            assert_eq!(upgrades, ["websocket"]);
            text.push('\n');
            let Some(route::route_action::ClusterSpecifier::WeightedClusters(weighted)) =
                &action.cluster_specifier
            else {
                panic!("{action:?}")
            };
            for cluster in &weighted.clusters {
                let weight = cluster.weight.unwrap().value;
                writeln!(text, "  {weight} {}{}", cluster.name, headers(&cluster.request_headers_to_add))
                    .unwrap();
            }
        }
        other => panic!("{other:?}"),
    }
    text
}

fn headers(options: &[HeaderValueOption]) -> String {
    let mut text = String::new();
    for option in options {
        let header = option.header.as_ref().unwrap();
        let set = 2;
        assert_eq!(option.append_action, set, "a client must not be able to add to {}", header.key);
        write!(text, " {}: {}", header.key, header.value).unwrap();
    }
    text
}

/// A cluster: what it speaks and the facts in its metadata, in order.
pub(crate) fn cluster(store: &Store, name: &str) -> String {
    let Some(cluster) = get::<Cluster>(store, type_url::CLUSTER, name) else { return "none".into() };
    assert!(cluster.eds_cluster_config.is_some(), "every revision's endpoints come by EDS");
    let protocol = if cluster.typed_extension_protocol_options.is_empty() { "http1" } else { "h2c" };
    let mut text = format!("{protocol}\n");
    let facts = &cluster.metadata.as_ref().unwrap().filter_metadata["forebay.revision"];
    let mut facts: Vec<_> = facts.fields.iter().collect();
    facts.sort_by_key(|(key, _)| *key);
    for (key, value) in facts {
        match value.kind.as_ref().unwrap() {
            Kind::StringValue(value) => writeln!(text, "{key}={value}").unwrap(),
            Kind::NumberValue(value) => writeln!(text, "{key}={value}").unwrap(),
            other => panic!("{other:?}"),
        }
    }
    text
}

/// An assignment: its addresses in order.
pub(crate) fn endpoints(store: &Store, name: &str) -> String {
    let Some(load) = get::<ClusterLoadAssignment>(store, type_url::ENDPOINTS, name) else {
        return "none".into();
    };
    let mut text = String::new();
    for endpoint in load.endpoints.iter().flat_map(|locality| &locality.lb_endpoints) {
        let Some(HostIdentifier::Endpoint(inner)) = &endpoint.host_identifier else { panic!("{endpoint:?}") };
        let Some(Address::SocketAddress(socket)) = &inner.address.as_ref().unwrap().address else {
            panic!("{inner:?}")
        };
        let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else { panic!("{socket:?}") };
        let draining = if endpoint.health_status == 3 { " draining" } else { "" };
        writeln!(text, "{}:{port}{draining}", socket.address).unwrap();
    }
    if text.is_empty() { "empty".into() } else { text }
}
