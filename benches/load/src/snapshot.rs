//! A control plane with one large snapshot, as Knative's ingress controller sends it: so many static clusters, one listener, and
//! all hosts, 1 KiB each, in one route configuration. The host `probe.test` answers with the number of the last push. Owns the
//! control plane; knows of the gateway only where it is to listen.
//!
//! Each line of standard input is `push` (all hosts stand in another order, and one is other than before) or `same` (what was sent
//! last is set once more), and is answered by a line of JSON: when it began, in microseconds of Unix time, how many bytes the
//! routes are, and how many resources have been sent in all by then. `arrived` is answered by when the last push, to within 64 KiB, had
//! gone on to the gateway's socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use forebay_proto::envoy::config::core::v3::DataSource;
use forebay_proto::envoy::config::core::v3::data_source::Specifier;
use forebay_proto::envoy::config::route::v3::{
    DirectResponseAction, RouteConfiguration, VirtualHost, route::Action,
};
use forebay_proto::google::protobuf::BoolValue;
use forebay_proto::type_url::{CLUSTER, LISTENER, ROUTE};
use forebay_xds_server::{Store, serve};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Failure, lines, resources};

/// What one host weighs: 10,000 of them are 10 MB.
const WEIGHT: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the control plane listens.
    #[arg(long)]
    xds: SocketAddr,
    /// Where the gateway is told to listen.
    #[arg(long)]
    gateway: SocketAddr,
    /// Hosts, with a cluster each.
    #[arg(long)]
    hosts: usize,
}

pub(crate) async fn run(options: Options) -> Result<String, Failure> {
    let outside = TcpListener::bind(options.xds).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let passed = Arc::new(Passed::default());
    let (inside, passing) = (listener.local_addr()?, passed.clone());
    tokio::spawn(async move {
        if let Err(error) = pass_on(outside, inside, passing).await {
            eprintln!("nothing is passed on to the gateway: {error}");
        }
    });
    let store = Store::new();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    store.batch(|batch| {
        batch.set(LISTENER, "gateway", &resources::listener(options.gateway, &resources::manager()));
        for index in 0..options.hosts {
            let name = format!("default/service-{index}");
            let mut cluster = resources::cluster(&name, None, false);
            cluster.cluster_discovery_type = None;
            cluster.eds_cluster_config = None;
            cluster.load_assignment = Some(resources::endpoints(&name, &[nobody]));
            batch.set(CLUSTER, &name, &cluster);
        }
        batch.set(ROUTE, "services", &routes(options.hosts, 0));
    });
    let served = store.clone();
    tokio::spawn(async move { serve(served, listener, std::future::pending()).await });
    println!("{{\"ready\": true}}");
    let mut pushes = 0;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        match line.trim() {
            "push" => pushes += 1,
            "same" => {}
            "arrived" => {
                println!("{{\"arrived_us\": {}}}", passed.at_us.load(Ordering::Relaxed));
                continue;
            }
            other => return Err(format!("none of push, same, arrived: {other:?}").into()),
        }
        let routes = routes(options.hosts, pushes);
        let size = routes.encoded_len();
        passed.expect(size as u64);
        let now = unix_us();
        store.set(ROUTE, "services", &routes);
        let sent = store.traffic().resources;
        println!("{{\"push\": {pushes}, \"at_us\": {now}, \"bytes\": {size}, \"resources\": {sent}}}");
    }
    Ok(String::new())
}

/// What has gone on to the gateway.
#[derive(Default)]
struct Passed {
    bytes: AtomicU64,
    /// How many there are when a push has arrived.
    wanted: AtomicU64,
    /// When they were there: microseconds of Unix time.
    at_us: AtomicU64,
}

impl Passed {
    /// A push of so many bytes is to come.
    fn expect(&self, bytes: u64) {
        self.wanted.store(self.bytes.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
    }

    fn add(&self, bytes: u64) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let wanted = self.wanted.load(Ordering::Relaxed);
        if before < wanted && wanted <= before + bytes {
            self.at_us.store(unix_us(), Ordering::Relaxed);
        }
    }
}

fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// Stands between the gateway and the control plane, to see when bytes arrive: a store knows only when it was told.
async fn pass_on(outside: TcpListener, to: SocketAddr, passed: Arc<Passed>) -> std::io::Result<()> {
    loop {
        let (gateway, _) = outside.accept().await?;
        let control = TcpStream::connect(to).await?;
        for stream in [&gateway, &control] {
            stream.set_nodelay(true)?;
        }
        let passed = passed.clone();
        // A gateway that leaves is the ordinary end of a connection.
        tokio::spawn(async move {
            let (mut from_gateway, mut to_gateway) = gateway.into_split();
            let (mut from_control, mut to_control) = control.into_split();
            let back = async { tokio::io::copy(&mut from_gateway, &mut to_control).await.map(drop) };
            let forth = async {
                let mut bytes = vec![0; 64 * 1024];
                loop {
                    let count = from_control.read(&mut bytes).await?;
                    if count == 0 {
                        return Ok(());
                    }
                    to_gateway.write_all(&bytes[..count]).await?;
                    passed.add(count as u64);
                }
            };
            tokio::select! { end = back => end, end = forth => end }
        });
    }
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
