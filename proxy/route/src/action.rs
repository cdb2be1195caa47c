//! What a route does with a request, as plain data.

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
    /// Told to go elsewhere.
    Redirect(Redirect),
}

/// Sent on to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// The clusters and their shares.
    pub clusters: Weighted,
    /// The upstream `:authority`, when it changes; a split's own goes before it.
    pub host_rewrite: Option<HostRewrite>,
    /// The upstream path, when it changes.
    pub path_rewrite: Option<PathRewrite>,
    /// From the end of the request to the end of the response; `None` = no limit. (Envoy: absent = 15 s, 0 = no limit.)
    pub timeout: Option<Duration>,
    /// No byte either way for so long; `None` = the listener's own, zero = no limit.
    pub idle_timeout: Option<Duration>,
    /// Upgrades by lower-case name, allowed or not; what is not named here is as the listener says.
    pub upgrades: Vec<(Arc<str>, bool)>,
    /// Another try, when one is allowed.
    pub retry: Option<Retry>,
}

impl Forward {
    /// Sends everything to `clusters` unchanged, without time limits.
    pub fn to(clusters: Weighted) -> Self {
        Self {
            clusters,
            host_rewrite: None,
            path_rewrite: None,
            timeout: None,
            idle_timeout: None,
            upgrades: Vec::new(),
            retry: None,
        }
    }

    /// What this route says of an upgrade; `None` = nothing, the listener decides.
    pub fn upgrade(&self, name: &[u8]) -> Option<bool> {
        self.upgrades.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(_, on)| *on)
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
