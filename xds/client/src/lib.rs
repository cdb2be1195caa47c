//! One ADS stream from the subscriber's side. Knows nothing of Kubernetes or HTTP proxying.
//!
//! [`run`] keeps a stream to a control plane, hands every change to a [`Subscriber`] and answers with its verdict. While
//! the control plane is away nothing changes for the subscriber: what it has stays, and on return only differences come.

mod backoff;
mod link;
mod session;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::envoy::config::core::v3::node::UserAgentVersionType;
use forebay_proto::type_url;
use forebay_xds_wire::client::{Delta, StateOfTheWorld};
use tokio::sync::Notify;

pub use forebay_xds_wire::WILDCARD;
pub use forebay_xds_wire::client::{MAX_NACKS, NACK_REFILL, Rejection, Resource};

/// Where the control plane listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `host:port`; the host is resolved anew for every connection.
    Tcp(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Tcp(address) => f.write_str(address),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The protocol variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Only differences travel, and each resource has a version of its own.
    #[default]
    Delta,
    /// Clusters and listeners travel as whole lists. VHDS does not exist here.
    StateOfTheWorld,
}

/// How to subscribe.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the control plane listens.
    pub target: Target,
    /// Who this proxy is. Its program, version and abilities are filled in.
    pub node: Node,
    /// The protocol variant.
    pub mode: Mode,
    /// Types of which everything is wanted from the start; clusters and listeners unless changed. The others are asked for
    /// by name, as the subscriber's interests say.
    pub wildcards: Vec<String>,
    /// How the connection is made and kept.
    pub connection: Connection,
    /// How many NACKs at once, and how long one more takes.
    pub nacks: (u32, Duration),
}

/// How the connection to a control plane is made and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// How long it may take to be made, handshake included.
    pub connect_timeout: Duration,
    /// How often a silent one is asked whether it is alive, and how long it may take to say so; `None` is never. Knative's
    /// own server hangs up on whoever asks more often than every 20 s.
    pub ping: Option<(Duration, Duration)>,
    /// The first pause after a lost one, and the longest. They double, and each is shortened at random.
    pub pause: (Duration, Duration),
    /// Largest response in bytes.
    pub max_response: usize,
}

impl Default for Connection {
    /// A control plane close by: 5 s to connect, asked every 30 s, sought again after 10 ms and every 15 s at least, and
    /// 256 MiB, since Knative's own controller sends everything it has in one message.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            ping: Some((Duration::from_secs(30), Duration::from_secs(10))),
            pause: (backoff::FIRST, backoff::LONGEST),
            max_response: 256 * 1024 * 1024,
        }
    }
}

impl Config {
    /// Delta, clusters and listeners in full, for a proxy that has an id and belongs to a cluster of proxies.
    pub fn new(target: Target, id: impl Into<String>, cluster: impl Into<String>) -> Self {
        Self::of_node(target, Node { id: id.into(), cluster: cluster.into(), ..Node::default() })
    }

    /// Delta, clusters and listeners in full.
    pub fn of_node(target: Target, node: Node) -> Self {
        Self {
            target,
            node,
            mode: Mode::Delta,
            wildcards: vec![type_url::CLUSTER.to_owned(), type_url::LISTENER.to_owned()],
            connection: Connection::default(),
            nacks: (MAX_NACKS, NACK_REFILL),
        }
    }

    fn node(&self) -> Node {
        Node {
            user_agent_name: "forebay".to_owned(),
            user_agent_version_type: Some(UserAgentVersionType::UserAgentVersion(
                env!("CARGO_PKG_VERSION").to_owned(),
            )),
            client_features: vec![
                "envoy.lb.does_not_support_overprovisioning".to_owned(),
                "xds.config.supports-resource-ttl".to_owned(),
                "xds.config.supports-resource-in-sotw".to_owned(),
            ],
            ..self.node.clone()
        }
    }
}

/// What a response changed, of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// State of the world, LDS and CDS: `added` is all there is, and what it leaves out is gone.
    pub full: bool,
    /// New or changed, each name once. Without `full` some may be the same as before.
    pub added: Vec<Resource>,
    /// Gone, or asked for and not there (delta), or at the end of its time to live.
    pub removed: Vec<String>,
    /// Refused for how they came (twice in one response, as another type); the server is told.
    pub refused: Vec<Rejection>,
}

/// Names that are wanted, or no longer, of one type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interest {
    /// The type.
    pub type_url: String,
    /// Wanted from now on; [`WILDCARD`] is everything. Naming one again does nothing.
    pub add: Vec<String>,
    /// No longer wanted; the subscriber has let go of what they brought.
    pub remove: Vec<String>,
}

/// What the subscriber makes of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Resources that were refused. All others are in use when this is returned: the answer says so to the control plane.
    pub rejected: Vec<Rejection>,
    /// What else is needed now, or no longer.
    pub interests: Vec<Interest>,
}

/// What the subscriber makes of the time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tick {
    /// When to be asked again, at the latest.
    pub next: Option<Instant>,
    /// What else is needed now, or no longer.
    pub interests: Vec<Interest>,
}

/// Who uses the resources.
pub trait Subscriber {
    /// Puts a change to use.
    fn apply(&mut self, type_url: &str, change: Change) -> Outcome;

    /// State of the world: the name was asked for 15 s ago and did not come. (Delta says so in [`Change::removed`].)
    fn does_not_exist(&mut self, type_url: &str, name: &str) -> Vec<Interest> {
        let _ = (type_url, name);
        Vec::new()
    }

    /// The stream to the control plane stands, or was lost.
    fn connected(&mut self, up: bool) {
        let _ = up;
    }

    /// What calls [`Subscriber::tick`] although nothing came and no time has passed: resources may have other sources, and
    /// what came from there may need something of the stream.
    fn wakes(&self) -> Arc<Notify> {
        Arc::default()
    }

    /// Time has passed: called at the start, after every change, and at [`Tick::next`].
    fn tick(&mut self, now: Instant) -> Tick {
        let _ = now;
        Tick::default()
    }
}

/// Subscribes until `shutdown` resolves, and gives the subscriber back. Lost connections are taken up again with growing
/// pauses; nothing the control plane does or fails to do ends this.
pub async fn run<S: Subscriber>(config: Config, subscriber: S, shutdown: impl Future<Output = ()>) -> S {
    match config.mode {
        Mode::Delta => session::run::<Delta, S>(config, subscriber, shutdown).await,
        Mode::StateOfTheWorld => session::run::<StateOfTheWorld, S>(config, subscriber, shutdown).await,
    }
}
