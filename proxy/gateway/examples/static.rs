//! A gateway in front of one endpoint, with its own control plane in the same process: `static LISTEN ENDPOINT [--hosts N]
//! [--h2c] [--log FILE] [--plain]`. For benches and for trying things out; the routes go to every host.

use std::net::SocketAddr;
use std::path::PathBuf;

use forebay_gateway::{Config, Gateway, Target, Xds};
use forebay_proto::type_url;
use forebay_xds_server::{Listener, Store, serve};

#[path = "../tests/support/resources.rs"]
mod resources;

use resources::Revision;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn publish(store: &Store, listen: SocketAddr, endpoint: SocketAddr, args: &Args) {
    let mut manager = resources::manager();
    manager.access_log = args.log.iter().map(|path| resources::access_log(path, None)).collect();
    let host = |name: &str, domain: &str| {
        resources::host(name, domain, vec![resources::route("/", resources::forward("backend"))])
    };
    let mut hosts = vec![host("all", "*")];
    hosts.extend((0..args.hosts).map(|i| host(&format!("host-{i}"), &format!("host-{i}.example.com"))));
    let revision = (!args.plain).then(|| {
        Revision::new()
            .number("container_concurrency", args.concurrency)
            .number("max_waiting", 10_000.0)
            .number("max_waiting_bytes", 64e6)
            .number("response_start_timeout_ms", 300_000.0)
    });
    store.batch(|batch| {
        batch.set(type_url::LISTENER, "gateway", &resources::listener(listen, &manager));
        batch.set(type_url::ROUTE, "services", &resources::routes(hosts));
        batch.set(type_url::CLUSTER, "backend", &resources::cluster("backend", revision.as_ref(), args.h2c));
        batch.set(type_url::ENDPOINTS, "backend", &resources::endpoints("backend", &[endpoint]));
    });
}

struct Args {
    hosts: usize,
    workers: usize,
    concurrency: f64,
    plain: bool,
    h2c: bool,
    log: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let listen: SocketAddr = words.next().ok_or("LISTEN is missing")?.parse()?;
    let endpoint: SocketAddr = words.next().ok_or("ENDPOINT is missing")?.parse()?;
    let mut args = Args { hosts: 0, workers: 1, concurrency: 0.0, plain: false, h2c: false, log: None };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--hosts" => args.hosts = words.next().ok_or("--hosts N")?.parse()?,
            "--workers" => args.workers = words.next().ok_or("--workers N")?.parse()?,
            "--cc" => args.concurrency = words.next().ok_or("--cc N")?.parse()?,
            "--log" => args.log = Some(words.next().ok_or("--log FILE")?.into()),
            "--plain" => args.plain = true,
            "--h2c" => args.h2c = true,
            other => return Err(format!("unknown word {other}").into()),
        }
    }
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::new();
        publish(&store, listen, endpoint, &args);
        let socket = std::env::temp_dir().join(format!("forebay-static-{}.sock", std::process::id()));
        let listener = tokio::net::UnixListener::bind(&socket)?;
        let serving = tokio::spawn(serve(store, Listener::from(listener), std::future::pending()));
        let gateway = Gateway::start(Config {
            xds: Some(Xds::new(Target::Unix(socket.clone()), "static", "static")),
            workers: args.workers,
            max_connections: 100_000,
            admin: Some("127.0.0.1:0".parse()?),
            name: "static".to_owned(),
            ..Config::default()
        })?;
        let bound = gateway.listening().await;
        println!("listening {:?}, admin {:?}", bound.first().map(|b| &b.addresses), gateway.admin());
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
