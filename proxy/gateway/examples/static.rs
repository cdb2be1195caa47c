//! A gateway in front of one endpoint, with its own control plane in the same process: `static LISTEN ENDPOINT [--hosts N]
//! [--h2c] [--log FILE] [--plain]`. For benches and for trying things out; the routes go to every host.

use std::net::SocketAddr;
use std::path::PathBuf;

use forebay_gateway::{Config, Gateway, Target, Xds};
use forebay_proto::envoy::config::{
    cluster::v3 as c, core::v3 as core, endpoint::v3 as e, listener::v3 as l, route::v3 as r,
};
use forebay_proto::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use forebay_proto::envoy::extensions::filters::http::router::v3::Router;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use forebay_proto::google::protobuf::{Any, BoolValue, Duration, Struct, Value, value::Kind};
use forebay_proto::type_url;
use forebay_xds_server::{Listener, Store, serve};
use prost::{Message, Name};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: M::type_url(), value: message.encode_to_vec() }
}

fn address(at: SocketAddr) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: at.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(at.port().into())),
            ..Default::default()
        })),
    })
}

fn ads() -> core::ConfigSource {
    core::ConfigSource {
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    }
}

fn virtual_host(name: &str, domain: &str) -> r::VirtualHost {
    r::VirtualHost {
        name: name.to_owned(),
        domains: vec![domain.to_owned()],
        routes: vec![r::Route {
            r#match: Some(r::RouteMatch {
                path_specifier: Some(r::route_match::PathSpecifier::Prefix("/".to_owned())),
                ..Default::default()
            }),
            action: Some(r::route::Action::Route(r::RouteAction {
                cluster_specifier: Some(r::route_action::ClusterSpecifier::Cluster("backend".to_owned())),
                timeout: Some(Duration::default()),
                upgrade_configs: vec![r::route_action::UpgradeConfig {
                    upgrade_type: "websocket".to_owned(),
                    enabled: Some(BoolValue { value: true }),
                    ..Default::default()
                }],
                ..Default::default()
            })),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn resources(store: &Store, listen: SocketAddr, endpoint: SocketAddr, args: &Args) {
    let router = hcm::HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..Default::default()
    };
    let access_log = args.log.iter().map(|path| forebay_proto::envoy::config::accesslog::v3::AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        config_type: Some(forebay_proto::envoy::config::accesslog::v3::access_log::ConfigType::TypedConfig(
            any(&FileAccessLog { path: path.display().to_string(), ..Default::default() }),
        )),
        ..Default::default()
    });
    let manager = hcm::HttpConnectionManager {
        stat_prefix: "ingress_http".to_owned(),
        http_filters: vec![router],
        access_log: access_log.collect(),
        use_remote_address: Some(BoolValue { value: true }),
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(hcm::Rds {
            config_source: Some(ads()),
            route_config_name: "services".to_owned(),
        })),
        ..Default::default()
    };
    let filter = l::Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(l::filter::ConfigType::TypedConfig(any(&manager))),
    };
    let mut hosts = vec![virtual_host("all", "*")];
    hosts.extend(
        (0..args.hosts).map(|i| virtual_host(&format!("host-{i}"), &format!("host-{i}.example.com"))),
    );
    let text = |s: &str| Value { kind: Some(Kind::StringValue(s.to_owned())) };
    let number = |n: f64| Value { kind: Some(Kind::NumberValue(n)) };
    let facts = Struct {
        fields: [
            ("namespace", text("default")),
            ("name", text("backend-00001")),
            ("service", text("backend")),
            ("configuration", text("backend")),
            ("container_concurrency", number(args.concurrency)),
            ("max_waiting", number(10_000.0)),
            ("max_waiting_bytes", number(64e6)),
            ("wait_timeout_ms", number(300_000.0)),
            ("timeout_ms", number(300_000.0)),
            ("response_start_timeout_ms", number(300_000.0)),
            ("idle_timeout_ms", number(0.0)),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect(),
    };
    let metadata = (!args.plain).then(|| core::Metadata {
        filter_metadata: [("forebay.revision".to_owned(), facts)].into_iter().collect(),
        ..Default::default()
    });
    store.batch(|batch| {
        batch.set(
            type_url::LISTENER,
            "gateway",
            &l::Listener {
                name: "gateway".to_owned(),
                address: address(listen),
                filter_chains: vec![l::FilterChain { filters: vec![filter], ..Default::default() }],
                ..Default::default()
            },
        );
        let routes =
            r::RouteConfiguration { name: "services".to_owned(), virtual_hosts: hosts, ..Default::default() };
        batch.set(type_url::ROUTE, "services", &routes);
        let cluster = c::Cluster {
            name: "backend".to_owned(),
            cluster_discovery_type: Some(c::cluster::ClusterDiscoveryType::Type(
                c::cluster::DiscoveryType::Eds as i32,
            )),
            eds_cluster_config: Some(c::cluster::EdsClusterConfig {
                eds_config: Some(ads()),
                ..Default::default()
            }),
            metadata,
            ..Default::default()
        };
        batch.set(type_url::CLUSTER, "backend", &cluster);
        let lb = e::LbEndpoint {
            host_identifier: Some(e::lb_endpoint::HostIdentifier::Endpoint(e::Endpoint {
                address: address(endpoint),
                ..Default::default()
            })),
            ..Default::default()
        };
        let assignment = e::ClusterLoadAssignment {
            cluster_name: "backend".to_owned(),
            endpoints: vec![e::LocalityLbEndpoints { lb_endpoints: vec![lb], ..Default::default() }],
            ..Default::default()
        };
        batch.set(type_url::ENDPOINTS, "backend", &assignment);
    });
}

struct Args {
    hosts: usize,
    workers: usize,
    concurrency: f64,
    plain: bool,
    log: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let listen: SocketAddr = words.next().ok_or("LISTEN is missing")?.parse()?;
    let endpoint: SocketAddr = words.next().ok_or("ENDPOINT is missing")?.parse()?;
    let mut args = Args { hosts: 0, workers: 1, concurrency: 0.0, plain: false, log: None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--hosts" => args.hosts = words.next().ok_or("--hosts N")?.parse()?,
            "--workers" => args.workers = words.next().ok_or("--workers N")?.parse()?,
            "--cc" => args.concurrency = words.next().ok_or("--cc N")?.parse()?,
            "--log" => args.log = Some(words.next().ok_or("--log FILE")?.into()),
            "--plain" => args.plain = true,
            other => return Err(format!("unknown word {other}").into()),
        }
    }
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::new();
        resources(&store, listen, endpoint, &args);
        let socket = std::env::temp_dir().join(format!("forebay-static-{}.sock", std::process::id()));
        let listener = tokio::net::UnixListener::bind(&socket)?;
        let serving = tokio::spawn(serve(store, Listener::from(listener), std::future::pending()));
        let gateway = Gateway::start(Config {
            xds: Xds::new(Target::Unix(socket.clone()), "static", "static"),
            workers: args.workers,
            max_connections: 100_000,
            admin: "127.0.0.1:0".parse()?,
            name: "static".to_owned(),
        })?;
        let bound = gateway.listening().await;
        println!("listening {:?}, admin {}", bound.first().map(|b| &b.addresses), gateway.admin());
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = gateway.asked_to_quit() => {}
        }
        gateway.shutdown(std::time::Duration::from_secs(1)).await;
        serving.abort();
        let _ = std::fs::remove_file(socket);
        Ok(())
    })
}
