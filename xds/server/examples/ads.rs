//! A control plane to talk to by hand: serves ADS on a loopback port and reads commands from standard input. The drill
//! `drills/xds-envoy` points a real Envoy at it.
//!
//! ```text
//! listener PORT            a listener `gateway` that takes its routes from RDS
//! routes vhds|NAME=CLUSTER the route configuration `services`: virtual hosts by VHDS, or one inline
//! service NAME DOMAIN PORT in one batch, top-down: virtual host, cluster, endpoints
//! endpoints NAME PORT      new endpoints of a service
//! retire NAME              the opposite of `service`
//! bad NAME                 a cluster that every proxy refuses
//! fill N                   N services at once, without endpoints
//! serve                    lets subscribers in; until then they wait
//! acked                    waits until every subscriber answered everything
//! traffic                  what went out so far
//! ```

use std::io::BufRead;
use std::time::Duration;

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig,
};
use forebay_proto::envoy::config::core::v3::address::Address as Kind;
use forebay_proto::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use forebay_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use forebay_proto::envoy::config::core::v3::{
    Address, AggregatedConfigSource, ApiVersion, ConfigSource, Metadata, SocketAddress,
};
use forebay_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use forebay_proto::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use forebay_proto::envoy::config::listener::v3::filter::ConfigType;
use forebay_proto::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use forebay_proto::envoy::config::route::v3::route::Action;
use forebay_proto::envoy::config::route::v3::route_action::ClusterSpecifier;
use forebay_proto::envoy::config::route::v3::route_match::PathSpecifier;
use forebay_proto::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, Vhds, VirtualHost,
};
use forebay_proto::envoy::extensions::filters::http::router::v3::Router;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf::value::Kind as ValueKind;
use forebay_proto::google::protobuf::{Struct, Value};
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, LISTENER, ROUTE, VIRTUAL_HOST};
use forebay_proto::{Any, google};
use forebay_xds_server::{Batch, Store, serve};
use prost::{Message, Name};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening {}", listener.local_addr()?);
    let store = Store::new();
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut nacks = store.nacks();
    tokio::spawn(async move {
        while let Some(nack) = nacks.next().await {
            println!(
                "nack {} {} {:?} {}",
                nack.node,
                nack.type_url,
                nack.resource,
                nack.message.replace('\n', " ")
            );
        }
    });
    while let Some(line) = commands.recv().await
        && line != "serve"
    {
        obey(&store, &line).await;
    }
    println!("serving");
    let control = store.clone();
    let talk = async move {
        while let Some(line) = commands.recv().await {
            obey(&control, &line).await;
        }
    };
    serve(store, listener, talk).await?;
    Ok(())
}

async fn obey(store: &Store, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["listener", port] => _ = store.set(LISTENER, "gateway", &listener(number(port))),
        ["routes", routes] => _ = store.set(ROUTE, "services", &route_configuration(routes)),
        ["service", name, domain, port] => {
            _ = store.batch(|batch| service(batch, name, domain, &[number(port)]));
        }
        ["endpoints", name, ports @ ..] => {
            let ports: Vec<u32> = ports.iter().map(|port| number(port)).collect();
            store.set(ENDPOINTS, name, &endpoints(name, &ports));
        }
        ["retire", name] => {
            // From the bottom up on purpose: the batch and the streams put it right.
            store.batch(|batch| {
                batch.remove(ENDPOINTS, name);
                batch.remove(CLUSTER, name);
                batch.remove(VIRTUAL_HOST, &format!("services/{name}"));
            });
        }
        ["bad", name] => {
            let bad = Cluster { name: (*name).to_owned(), eds_cluster_config: None, ..cluster(name) };
            store.set(CLUSTER, name, &bad);
        }
        ["fill", count] => {
            store.batch(|batch| {
                for i in 0..number(count) {
                    service(batch, &format!("fill-{i}"), &format!("fill-{i}.example"), &[]);
                }
            });
        }
        ["acked"] => {
            let taken = tokio::time::timeout(Duration::from_secs(30), store.acked(store.head())).await;
            println!("acked {taken:?}");
            return;
        }
        ["traffic"] => {
            println!("traffic {:?}", store.traffic());
            return;
        }
        _ => println!("no such command: {line}"),
    }
    println!("head {}", store.head());
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_default()
}

fn service(batch: &mut Batch<'_>, name: &str, domain: &str, ports: &[u32]) {
    // Envoy files a virtual host under the name inside it and removes it by the name of the resource: they must agree.
    let host = format!("services/{name}");
    batch.set(VIRTUAL_HOST, &host, &virtual_host(&host, &[domain], name));
    batch.set(CLUSTER, name, &cluster(name));
    batch.set(ENDPOINTS, name, &endpoints(name, ports));
}

fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn socket(port: u32) -> Address {
    let socket = SocketAddress {
        address: "127.0.0.1".to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(port)),
        ..SocketAddress::default()
    };
    Address { address: Some(Kind::SocketAddress(socket)) }
}

fn listener(port: u32) -> Listener {
    let router = hcm::HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..hcm::HttpFilter::default()
    };
    let manager = hcm::HttpConnectionManager {
        stat_prefix: "gateway".to_owned(),
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(hcm::Rds {
            config_source: Some(ads()),
            route_config_name: "services".to_owned(),
        })),
        http_filters: vec![router],
        ..hcm::HttpConnectionManager::default()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&manager))),
    };
    Listener {
        name: "gateway".to_owned(),
        address: Some(socket(port)),
        filter_chains: vec![FilterChain { filters: vec![filter], ..FilterChain::default() }],
        ..Listener::default()
    }
}

fn route_configuration(routes: &str) -> RouteConfiguration {
    let by_vhds = Vhds { config_source: Some(ads()) };
    let inline = routes.split_once('=').map(|(name, cluster)| virtual_host(name, &["*"], cluster));
    RouteConfiguration {
        name: "services".to_owned(),
        vhds: inline.is_none().then_some(by_vhds),
        virtual_hosts: inline.into_iter().collect(),
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    }
}

fn virtual_host(name: &str, domains: &[&str], cluster: &str) -> VirtualHost {
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..Default::default()
    };
    let route = Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            ..Default::default()
        }),
        action: Some(Action::Route(action)),
        ..Route::default()
    };
    VirtualHost {
        name: name.to_owned(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        routes: vec![route],
        ..VirtualHost::default()
    }
}

fn cluster(name: &str) -> Cluster {
    let text = |s: &str| Value { kind: Some(ValueKind::StringValue(s.to_owned())) };
    let facts =
        ["namespace", "name", "service", "configuration", "report"].map(|key| (key.to_owned(), text(name)));
    Cluster {
        name: name.to_owned(),
        connect_timeout: Some(google::protobuf::Duration { seconds: 1, nanos: 0 }),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig { eds_config: Some(ads()), service_name: String::new() }),
        metadata: Some(Metadata {
            filter_metadata: [("forebay.revision".to_owned(), Struct { fields: facts.into() })].into(),
            ..Metadata::default()
        }),
        ..Cluster::default()
    }
}

fn endpoints(name: &str, ports: &[u32]) -> ClusterLoadAssignment {
    let endpoint = |port: &u32| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(socket(*port)),
            ..Endpoint::default()
        })),
        ..LbEndpoint::default()
    };
    let locality =
        LocalityLbEndpoints { lb_endpoints: ports.iter().map(endpoint).collect(), ..Default::default() };
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![locality],
        ..ClusterLoadAssignment::default()
    }
}
