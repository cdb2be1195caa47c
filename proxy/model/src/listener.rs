//! A listener as the data plane obeys it. Knows nothing of protobuf or sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_net::tls::ServerTls;

use crate::chain_match::{ChainMatch, Chains};
use crate::http_manager::HttpManager;

/// Addresses to accept on, and what to do with what arrives there.
#[derive(Clone)]
pub struct Listener {
    /// The resource's name.
    pub name: Arc<str>,
    /// Where to listen.
    pub addresses: Vec<Address>,
    /// What is looked at before a chain is chosen.
    pub filters: ListenerFilters,
    /// What may become of a connection; in an order of their own, whatever the resource's was.
    pub chains: Vec<Arc<FilterChain>>,
    /// What becomes of a connection that none of the chains is for.
    pub default_chain: Option<Arc<FilterChain>>,
    /// The choice between `chains`.
    pub choice: Chains,
    /// Whether it takes what comes in (`traffic_direction`): a drain may be for such listeners alone.
    pub inbound: bool,
    /// Whether its clients are told to go while health checks are failed (`drain_type`).
    pub drains_when_failing: bool,
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address; port 0 asks for any.
    pub socket: SocketAddr,
    /// For `[::]`: whether IPv4 clients are served as well (`ipv4_compat`).
    pub dual_stack: bool,
}

/// What is looked at before a chain is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerFilters {
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Whether the ClientHello is looked at: some chain answers it, or asks what is in it.
    pub inspect_tls: bool,
    /// Whether logs and filters are told whom a client asks for: the inspector is named, or a chain asks for it.
    pub tells_server_name: bool,
    /// How long a client may take to send all that; zero is for ever.
    pub timeout: Duration,
    /// Whether one that is late is served all the same, by what it has said.
    pub continue_on_timeout: bool,
}

/// The PROXY protocol in front of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Whether a connection without a header is served as what it is.
    pub optional: bool,
    /// Whether version 1 is a header here.
    pub v1: bool,
    /// Whether version 2 is a header here.
    pub v2: bool,
    /// A word in the names of its counters.
    pub stat_prefix: Box<str>,
}

/// What becomes of a connection.
#[derive(Clone, PartialEq)]
pub struct FilterChain {
    /// Its name, for people.
    pub name: Arc<str>,
    /// Which connections it is for.
    pub matches: ChainMatch,
    /// TLS in front of HTTP; the same `Arc` for as long as its bytes are the same.
    pub tls: Option<Arc<ServerTls>>,
    /// How long a handshake may take; zero is for ever.
    pub handshake_timeout: Duration,
    /// How its requests are treated; chains that say the same share one.
    pub http: Arc<HttpManager>,
}

impl Listener {
    /// All chains, the default one last.
    pub fn all_chains(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.chains.iter().chain(&self.default_chain)
    }

    /// How its connections are treated, each way once.
    pub fn managers(&self) -> impl Iterator<Item = &Arc<HttpManager>> {
        self.all_chains().map(|chain| &chain.http)
    }
}

impl PartialEq for Listener {
    /// `choice` follows from `chains`.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.addresses == other.addresses
            && self.filters == other.filters
            && self.chains == other.chains
            && self.default_chain == other.default_chain
    }
}
