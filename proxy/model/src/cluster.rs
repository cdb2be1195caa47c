//! A cluster as the data plane obeys it. Knows nothing of protobuf, nor of the routes that lead here.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use forebay_balance::{Breakers, Endpoints, Gate};
use forebay_net::tls::ClientTls;

use crate::http_manager::HeaderCase;
use crate::revision::Revision;

/// A named set of endpoints with the settings for talking to them.
#[derive(Clone)]
pub struct Cluster {
    /// What it was told; the same `Arc` for as long as the resource does not change.
    pub config: Arc<ClusterConfig>,
    /// Who may run now and who waits. Survives every update of a cluster of this name, so that nobody loses a place.
    /// A cluster without [`ClusterConfig::revision`] has one that is always open.
    pub gate: Arc<Gate>,
    /// Where to go. An endpoint whose address stays is the same object with the same load in every update.
    pub endpoints: Endpoints,
    /// What of the limits is used, over all workers. Survives updates as the gate does.
    pub breakers: Arc<Breakers>,
}

/// What a cluster was told: its own names, and [`ClusterSettings`], which it dereferences to.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterConfig {
    /// The name that routes use.
    pub name: Arc<str>,
    /// Knative's facts, if this cluster is a revision; they turn the waiting room on.
    pub revision: Option<Arc<Revision>>,
    /// Where the endpoints come from.
    pub discovery: Discovery,
    /// One for the thousands of clusters that are told the same.
    pub settings: Arc<ClusterSettings>,
}

impl Deref for ClusterConfig {
    type Target = ClusterSettings;

    #[inline]
    fn deref(&self) -> &ClusterSettings {
        &self.settings
    }
}

/// What a cluster was told besides names.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterSettings {
    /// How long one connection attempt may take.
    pub connect_timeout: Duration,
    /// What to speak to the endpoints.
    pub protocol: Protocol,
    /// TLS below that; the same `Arc` for as long as its bytes are the same.
    pub tls: Option<Arc<ClientTls>>,
    /// The names in that which the request's host says; `None`: none of them.
    pub auto_names: Option<AutoNames>,
    /// How long an idle connection is kept; zero is for ever.
    pub idle_timeout: Duration,
    /// How long any connection is kept; zero is for ever.
    pub max_connection_duration: Duration,
    /// After how many requests a connection is closed; `None` is never.
    pub max_requests_per_connection: Option<u32>,
    /// How long one response may take from the beginning of its try; zero is for ever.
    pub max_stream_duration: Duration,
    /// How the names of fields are written to its endpoints in HTTP/1.
    pub header_case: HeaderCase,
    /// Circuit breakers of default priority.
    pub limits: Limits,
    /// Circuit breakers of requests whose route has `priority: HIGH`.
    pub high_limits: Limits,
    /// How an endpoint is chosen.
    pub balance: Balance,
}

/// Which names of TLS are the request's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoNames {
    /// The name that is asked for (SNI).
    pub sni: bool,
    /// A name that the endpoint's certificate has to have.
    pub san: bool,
    /// A header (lower-case name) that goes before the host where it is there.
    pub header: Option<Arc<str>>,
}

/// What to speak to the endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, many connections.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2(Http2),
    /// Whatever the request came in.
    Downstream(Http2),
}

/// Settings of an HTTP/2 connection, ours to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2 {
    /// Streams that may be open at once.
    pub max_concurrent_streams: u32,
    /// Bytes of one stream that may be on the way unread.
    pub stream_window: u32,
    /// Bytes of the connection that may be on the way unread.
    pub connection_window: u32,
    /// Whether a client may ask for a tunnel by extended CONNECT (RFC 8441).
    pub allow_connect: bool,
    /// PINGs that find a dead connection.
    pub keepalive: Option<Keepalive>,
}

/// PINGs on an HTTP/2 connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Between an answer and the next PING.
    pub interval: Duration,
    /// A PING not answered for so long has found the connection dead.
    pub timeout: Duration,
}

impl Default for Http2 {
    /// Envoy 1.40's: 1024 streams, 16 MiB each, 24 MiB together.
    fn default() -> Self {
        Http2 {
            max_concurrent_streams: 1024,
            stream_window: 16 << 20,
            connection_window: 24 << 20,
            allow_connect: false,
            keepalive: None,
        }
    }
}

/// Where a cluster's endpoints come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// From the cluster itself.
    Static,
    /// From EDS, under this name.
    Eds {
        /// The assignment's name; the cluster's own unless it says otherwise.
        service_name: Arc<str>,
    },
    /// From DNS: every address of every name is an endpoint.
    StrictDns(Arc<Dns>),
    /// From DNS: one endpoint, whose address is the first that the name has when a connection is made.
    LogicalDns(Arc<Dns>),
}

/// What to resolve, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Names (or numbers) and ports, in order.
    pub hosts: Arc<[DnsHost]>,
    /// How long an answer is trusted.
    pub refresh: Duration,
    /// At most so much longer, by chance.
    pub jitter: Duration,
    /// Between tries while a name does not resolve: the first pause, and the longest that it grows to. `None`: as `refresh`.
    pub on_failure: Option<(Duration, Duration)>,
    /// Which families to ask for.
    pub family: DnsFamily,
}

/// One name to resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsHost {
    /// A name, or an IP address as text.
    pub host: Arc<str>,
    /// The port, which DNS does not say.
    pub port: u16,
    /// What its addresses are called, for routes that call them so as well.
    pub name: Arc<str>,
}

/// Envoy's `DnsLookupFamily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsFamily {
    /// Both, all of them used.
    All,
    /// IPv6 if there is any, else IPv4.
    Auto,
    /// Only IPv4.
    V4Only,
    /// IPv4 if there is any, else IPv6.
    V4Preferred,
    /// Only IPv6.
    V6Only,
}

/// Circuit breakers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once.
    pub max_connections: u32,
    /// Requests that wait for a connection.
    pub max_pending_requests: u32,
    /// Requests in flight.
    pub max_requests: u32,
    /// Retries in flight.
    pub max_retries: u32,
    /// What bounds retries instead of a number.
    pub retry_budget: Option<RetryBudget>,
}

/// How many retries may be in flight, by what else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Retries for each ten thousand requests that are active or wait for a connection.
    pub percent_hundredths: u32,
    /// So many in any case.
    pub min_concurrency: u32,
}

impl Limits {
    /// How many retries may be in flight while so many requests are active and wait for a connection.
    pub fn retries(&self, requests: u32, pending: u32) -> u32 {
        let Some(budget) = self.retry_budget else { return self.max_retries };
        let live = u64::from(requests) + u64::from(pending);
        let share = live * u64::from(budget.percent_hundredths) / 10_000;
        u32::try_from(share).unwrap_or(u32::MAX).max(budget.min_concurrency)
    }
}

impl Default for Limits {
    /// Envoy's.
    fn default() -> Self {
        Limits {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
        }
    }
}

/// How an endpoint is chosen. A gated cluster always takes the less loaded of two, whatever this says: exact
/// concurrency depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// The less loaded of two picked at random.
    LeastRequest,
    /// At random.
    Random,
    /// In turn.
    RoundRobin,
}
