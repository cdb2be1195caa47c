//! Knative's objects to Envoy v3 resources, one object at a time: pure functions, no store, no memory. What Envoy has no
//! field for travels as metadata, so that a real Envoy can be given the same resources.
//!
//! | Knative | resource |
//! |---|---|
//! | the installation | Listener `gateway`, RouteConfiguration `services` |
//! | KIngress | VirtualHosts `services/<namespace>.<name>…`, one per group of hosts that share paths |
//! | Revision | Cluster `<namespace>/<revision>` |
//! | the revision's ready replicas | ClusterLoadAssignment of the same name |

mod cluster;
mod endpoints;
mod listener;
mod virtual_host;
mod wrap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use cluster::{cluster, cluster_name};
pub use endpoints::{Endpoint, assignment};
pub use listener::{listener, route_configuration};
pub use virtual_host::{mapped_host, mapped_to, virtual_hosts};

/// The one listener's name.
pub const LISTENER: &str = "gateway";
/// The one route configuration's name, and with a slash the beginning of every virtual host's.
pub const ROUTES: &str = "services";
/// Statistics of all requests go by this name, as Envoy's examples call them.
pub const STAT_PREFIX: &str = "ingress_http";

/// What an installation decides about its resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the gateway listens, at least one; port 0 lets it pick.
    pub listen: Vec<SocketAddr>,
    /// Where requests are written down, if anywhere.
    pub access_log: Option<AccessLog>,
    /// Where the gateway reports load: the URL of a stat server, `ws://…`. Without, nothing is reported.
    pub report: Option<Arc<str>>,
    /// Requests that may wait for one revision.
    pub max_waiting: u32,
    /// Bytes that the requests waiting for one revision may hold together.
    pub max_waiting_bytes: u64,
    /// How long a request may wait, where its revision's own clocks are longer.
    pub wait_timeout: Duration,
    /// Bytes of a request's head; a part of a KiB counts as one.
    pub max_header_bytes: u64,
    /// Header fields of a request.
    pub max_headers: u32,
    /// How long a request's head may take to arrive.
    pub header_timeout: Duration,
    /// How long a connection may idle between requests.
    pub idle_timeout: Duration,
}

/// A file of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// `/dev/stdout` is one, too.
    pub path: String,
    /// Envoy's format string; `None` is Envoy's default.
    pub format: Option<String>,
}

impl Settings {
    /// As many as Knative's activator queues per revision.
    pub const MAX_WAITING: u32 = 10_000;
    /// 64 MiB: what 10,000 requests with a few KiB of head and first body bytes hold.
    pub const MAX_WAITING_BYTES: u64 = 64 << 20;

    /// The defaults, for a gateway that listens here.
    pub fn new(listen: Vec<SocketAddr>) -> Self {
        Settings {
            listen,
            access_log: None,
            report: None,
            max_waiting: Self::MAX_WAITING,
            max_waiting_bytes: Self::MAX_WAITING_BYTES,
            wait_timeout: Duration::from_secs(300),
            max_header_bytes: 60 << 10,
            max_headers: 100,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
        }
    }
}
