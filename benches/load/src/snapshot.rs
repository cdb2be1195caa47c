//! A control plane with one large snapshot, as Knative's ingress controller sends it: `snapshot ADS-ADDRESS HOSTS
//! GATEWAY-PORT`. So many static clusters, one listener, and all hosts, 1 KiB each, in one route configuration. The host
//! `probe.test` answers with the number of the last push. `benches/snapshot.py` measures with it.
//!
//! ```text
//! push       one host is other than before, and all stand in another order; prints when, in microseconds of Unix time
//! ```

use std::io::BufRead;
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_proto::envoy::config::core::v3::DataSource;
use forebay_proto::envoy::config::core::v3::data_source::Specifier;
use forebay_proto::envoy::config::route::v3::{
    DirectResponseAction, RouteConfiguration, VirtualHost, route::Action,
};
use forebay_proto::google::protobuf::BoolValue;
use forebay_proto::type_url::{CLUSTER, LISTENER, ROUTE};
use forebay_xds_server::{Store, serve};
use prost::Message;
use tokio::net::TcpListener;

#[path = "../../../proxy/gateway/tests/support/resources.rs"]
mod resources;

/// What one host weighs: 10,000 of them are 10 MB.
const WEIGHT: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = |what: &str| words.next().ok_or(format!("{what} is missing"));
    let (address, hosts, port) = (word("ADS-ADDRESS")?, word("HOSTS")?.parse()?, word("GATEWAY-PORT")?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let store = Store::new();
        let at = format!("127.0.0.1:{port}").parse()?;
        let endpoint = "127.0.0.1:9".parse()?;
        store.batch(|batch| {
            batch.set(LISTENER, "gateway", &resources::listener(at, &resources::manager()));
            for index in 0..hosts {
                let name = format!("default/service-{index}");
                let mut cluster = resources::cluster(&name, None, false);
                cluster.cluster_discovery_type = None;
                cluster.eds_cluster_config = None;
                cluster.load_assignment = Some(resources::endpoints(&name, &[endpoint]));
                batch.set(CLUSTER, &name, &cluster);
            }
            batch.set(ROUTE, "services", &routes(hosts, 0));
        });
        let commands = store.clone();
        std::thread::spawn(move || {
            let mut pushes = 0;
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if line.trim() == "push" {
                    pushes += 1;
                    let routes = routes(hosts, pushes);
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    commands.batch(|batch| {
                        batch.set(ROUTE, "services", &routes);
                    });
                    println!("{pushes} {} {}", now.as_micros(), routes.encoded_len());
                }
            }
            std::process::exit(0);
        });
        println!("listening");
        serve(store, listener, std::future::pending()).await?;
        Ok(())
    })
}

fn routes(hosts: usize, pushes: usize) -> RouteConfiguration {
    let text = Specifier::InlineString(pushes.to_string());
    let probe = DirectResponseAction {
        status: 200,
        body: Some(DataSource { specifier: Some(text), ..DataSource::default() }),
        ..DirectResponseAction::default()
    };
    let mut all: Vec<VirtualHost> = (0..hosts).map(|index| host(index, pushes)).collect();
    if pushes % 2 == 1 {
        all.reverse();
    }
    let probe = resources::route("/", Action::DirectResponse(probe));
    all.push(resources::host("probe", "probe.test", vec![probe]));
    RouteConfiguration { validate_clusters: Some(BoolValue { value: true }), ..resources::routes(all) }
}

fn host(index: usize, pushes: usize) -> VirtualHost {
    let name = format!("service-{index}");
    let to = || resources::route("/", resources::forward(&format!("default/{name}")));
    let domain = format!("{name}.default.example.com");
    let mut host = resources::host(&format!("(default/{name}).Rules[0]"), &domain, vec![to()]);
    host.domains.push(format!("{domain}:*"));
    while host.encoded_len() < WEIGHT {
        host.routes.push(to());
    }
    if index == 0 {
        host.domains.push(format!("push-{pushes}.example.com"));
    }
    host
}
