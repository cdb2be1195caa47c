//! What the benches need and no packaged tool has: load at a fixed rate, long-lived streams, and the floor to measure
//! against. Owns clients, one bare relay and control planes (Forebay's, served to whichever gateway); no part of Forebay.
//!
//! Each load runs for a bounded time on one thread and prints one line of JSON; the control planes run until their input ends.

mod changes;
mod chat;
mod events;
mod rate;
mod relay;
#[path = "../../../proxy/gateway/tests/support/resources.rs"]
mod resources;
mod snapshot;
mod socket;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::sync::mpsc;

/// An error with its cause in words; nobody here acts on its kind.
pub(crate) type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Parser)]
#[command(name = "forebay-load", about = "Loads and a bare relay for the benches")]
struct Words {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// GET over keep-alive HTTP/1.1 at a fixed rate; time counts from when a request was due.
    Rate {
        #[command(flatten)]
        load: Load,
        /// Requests a second over all connections.
        #[arg(long)]
        rate: u64,
    },
    /// Messages of a websocket, sent back by the other end, one at a time on each connection.
    Socket {
        #[command(flatten)]
        load: Load,
        /// Bytes of a message.
        #[arg(long, default_value_t = 64)]
        size: usize,
    },
    /// Streams of server-sent events that stay open.
    Events {
        #[command(flatten)]
        load: Load,
    },
    /// gRPC calls with a stream each way on one HTTP/2 connection: a message and its reply, again and again.
    Chat {
        #[command(flatten)]
        load: Load,
    },
    /// A control plane of Forebay's own with many services, and how long its changes take to be obeyed.
    Changes(changes::Options),
    /// A control plane with one large route configuration, which it sends again on demand.
    Snapshot(snapshot::Options),
    /// The floor: parses heads, rewrites them, copies bodies, and does nothing else that a proxy has to do.
    Relay {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// Where to send everything.
        #[arg(long)]
        to: SocketAddr,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// Where the proxy listens.
    #[arg(long)]
    pub(crate) to: SocketAddr,
    /// The Host header or `:authority`.
    #[arg(long)]
    pub(crate) host: String,
    /// Path with query.
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// Connections; for gRPC, streams on one connection.
    #[arg(long)]
    pub(crate) connections: usize,
    /// How long.
    #[arg(long)]
    pub(crate) seconds: u64,
}

impl Load {
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> ExitCode {
    let words = Words::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ran = runtime.map_err(Failure::from).and_then(|runtime| {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            match words.work {
                Work::Rate { load, rate } => rate::run(load, rate).await,
                Work::Socket { load, size } => socket::run(load, size).await,
                Work::Events { load } => events::run(load).await,
                Work::Chat { load } => chat::run(load).await,
                Work::Changes(options) => changes::run(options).await,
                Work::Snapshot(options) => snapshot::run(options).await,
                Work::Relay { listen, to } => relay::run(listen, to).await,
            }
        })
    });
    match ran {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("forebay-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Standard input by the line, read on a thread of its own: the control plane must not stand still meanwhile.
pub(crate) fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
