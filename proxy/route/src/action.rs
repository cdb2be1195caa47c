//! What a route does with a request, as plain data.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::redirect::Redirect;
use crate::retry::Retry;
use crate::rewrite::{HostRewrite, PathRewrite};
use crate::weighted::Weighted;

/// What a matched request gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// An answer of the proxy's own.
    Direct(Direct),
    /// Sent on to a cluster.
    Forward(Forward),
    /// Told to go elsewhere. Apart, because it is larger than the others.
    Redirect(Box<Redirect>),
}

/// Sent on to a cluster: which, and [`ForwardSettings`], which it dereferences to.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// The clusters and their shares.
    pub clusters: Weighted,
    /// One for the thousands of routes that say the same.
    pub settings: Arc<ForwardSettings>,
}

impl Deref for Forward {
    type Target = ForwardSettings;

    #[inline]
    fn deref(&self) -> &ForwardSettings {
        &self.settings
    }
}

/// How a request is sent on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForwardSettings {
    /// From the end of the request to the end of the response; `None` = no limit. (Envoy: absent = 15 s, 0 = no limit.)
    pub timeout: Option<Duration>,
    /// No byte either way for so long; `None` = the listener's own, zero = no limit.
    pub idle_timeout: Option<Duration>,
    /// What is not named here is as the listener says.
    pub upgrades: Option<Arc<Upgrades>>,
    /// Another try, when one is allowed.
    pub retry: Option<Arc<Retry>>,
    /// What few routes say.
    pub rare: Option<Arc<Rare>>,
}

/// Upgrades by lower-case name, allowed or not.
pub type Upgrades = Vec<(Arc<str>, bool)>;

/// What few routes say, apart from the rest because there are thousands that do not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rare {
    /// The upstream `:authority`, when it changes; a split's own goes before it.
    pub host_rewrite: Option<HostRewrite>,
    /// The upstream path, when it changes.
    pub path_rewrite: Option<PathRewrite>,
    /// From the request's first byte to the response's last; `None` = the listener's own, zero = no limit.
    pub max_stream_duration: Option<Duration>,
    /// What becomes of the time that a gRPC client asks for; `None` = it is passed on and means nothing here.
    pub grpc_timeout: Option<GrpcTimeout>,
    /// Whether the cluster's circuit breakers for high priority count its requests.
    pub high_priority: bool,
    /// Whether each try says in `x-envoy-attempt-count` which it is.
    pub count_to_upstream: bool,
    /// Whether the response says in `x-envoy-attempt-count` how many it took.
    pub count_to_client: bool,
    /// Bytes of a request's body that may be kept for another try; `None` = as many as a connection may buffer.
    pub buffer_limit: Option<u64>,
    /// The request header (lower-case name) that names the cluster; [`Forward::clusters`] is then [`Weighted::nowhere`].
    pub cluster_header: Option<Arc<str>>,
    /// The status where the cluster is not there; `None` = 503.
    pub no_cluster_status: Option<u16>,
    /// Whether a CONNECT ends here: the endpoint gets the tunnel's bytes and no request.
    pub connect_ends: bool,
    /// Whether a host that is rewritten is told in `x-forwarded-host`.
    pub forwarded_host: bool,
}

/// How `grpc-timeout` is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcTimeout {
    /// Which clock it sets.
    pub sets: GrpcClock,
    /// The longest that may be asked for; zero = any.
    pub max: Duration,
    /// What is taken off, so that the proxy gives up a little before its client does.
    pub offset: Duration,
}

/// Which clock `grpc-timeout` sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcClock {
    /// The response's ([`ForwardSettings::timeout`]); a call that asks for nothing has no limit but the longest.
    Response,
    /// The stream's ([`Rare::max_stream_duration`]), for calls that ask.
    Stream,
}

impl Forward {
    /// Sends everything to `clusters` unchanged, without time limits.
    pub fn to(clusters: Weighted) -> Self {
        Self { clusters, settings: Arc::default() }
    }
}

impl ForwardSettings {
    /// The upstream `:authority`, when it changes; a split's own goes before it.
    #[inline]
    pub fn host_rewrite(&self) -> Option<&HostRewrite> {
        self.rare.as_ref()?.host_rewrite.as_ref()
    }

    /// The upstream path, when it changes.
    #[inline]
    pub fn path_rewrite(&self) -> Option<&PathRewrite> {
        self.rare.as_ref()?.path_rewrite.as_ref()
    }

    /// The request header that names the cluster, where one does.
    pub fn cluster_header(&self) -> Option<&str> {
        self.rare.as_ref()?.cluster_header.as_deref()
    }

    /// The status of an answer to a request whose cluster is not there.
    pub fn no_cluster_status(&self) -> u16 {
        self.rare.as_ref().and_then(|rare| rare.no_cluster_status).unwrap_or(503)
    }

    /// What this route says of an upgrade; `None` = nothing, the listener decides.
    pub fn upgrade(&self, name: &[u8]) -> Option<bool> {
        let mut upgrades = self.upgrades.iter().flat_map(|all| all.iter());
        upgrades.find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(_, on)| *on)
    }
}

/// An answer of the proxy's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// 200 to 599.
    pub status: u16,
    /// May be empty.
    pub body: Arc<[u8]>,
}
