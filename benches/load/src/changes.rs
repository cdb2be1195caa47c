//! Changes under Forebay's own control plane: its resource store served over ADS, many services, one change at a time, and
//! how long until every watching connection of the gateway is answered by it. Owns the control plane, the backends and the
//! watchers; knows of the gateway only its address.
//!
//! Each line of standard input is a kind of change (`endpoint`, `split`, `add`, `remove`) and is answered by a line of JSON.

mod watch;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use forebay_xds_server::{Store, serve};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use self::watch::Watchers;
use self::world::World;
use crate::{Failure, lines};

/// A pause after each change, so that what it left to do falls to it and not to the next.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the control plane listens.
    #[arg(long)]
    xds: SocketAddr,
    /// Where the gateway is told to listen.
    #[arg(long)]
    gateway: SocketAddr,
    /// Services, of two revisions each.
    #[arg(long)]
    services: usize,
    /// Changes of a kind.
    #[arg(long)]
    times: usize,
    /// Connections that watch. Enough that each of the gateway's workers has some.
    #[arg(long, default_value_t = 16)]
    watchers: usize,
    /// The gateway's access log.
    #[arg(long)]
    access_log: PathBuf,
}

pub(crate) async fn run(options: Options) -> Result<String, Failure> {
    let backends = [backend(world::FIRST).await?, backend(world::SECOND).await?];
    let store = Store::new();
    let mut world = World::new(store.clone(), backends, options.services);
    world.fill(options.gateway, &options.access_log);
    let listener = TcpListener::bind(options.xds).await?;
    tokio::spawn(async move { serve(store, listener, std::future::pending()).await });
    let mut watchers = Watchers::connect(options.gateway, options.watchers).await?;
    watchers.until(&world::host(options.services - 1), Some(world::FIRST)).await?;
    println!("{{\"ready\": true}}");
    let mut lines = lines();
    while let Some(kind) = lines.recv().await {
        println!("{}", measure(&mut world, &mut watchers, kind.trim(), options.times).await?);
    }
    Ok(String::new())
}

async fn measure(
    world: &mut World,
    watchers: &mut Watchers,
    kind: &str,
    times: usize,
) -> Result<String, Failure> {
    let before = world.traffic();
    let mut taken = Vec::with_capacity(times);
    for number in 0..times {
        let change = world.change(kind, number)?;
        watchers.until(&change.host, change.before).await?;
        let began = Instant::now();
        world.make(&change);
        watchers.until(&change.host, change.after).await?;
        taken.push(began.elapsed());
        sleep(PAUSE).await;
    }
    taken.sort_unstable();
    let at = |share: f64| {
        let rank = (taken.len() as f64 * share).ceil() as usize;
        taken.get(rank.saturating_sub(1)).map_or(0, Duration::as_micros)
    };
    let traffic = world.traffic();
    let each = |after: u64, before: u64| (after - before) as f64 / times.max(1) as f64;
    Ok(format!(
        "{{\"kind\": \"{kind}\", \"changes\": {times}, \"p50_us\": {}, \"p99_us\": {}, \"max_us\": {}, \"bytes\": {:.0}, \"resources\": {:.2}, \"nacks\": {}}}",
        at(0.5),
        at(0.99),
        at(1.0),
        each(traffic.bytes, before.bytes),
        each(traffic.resources, before.resources),
        traffic.nacks - before.nacks,
    ))
}

/// Answers each request with the word. Requests are taken to be small and whole, which the watchers' are.
async fn backend(word: &'static str) -> Result<SocketAddr, Failure> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::task::spawn_local(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{word}", word.len());
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer).await {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}
