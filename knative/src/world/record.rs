//! What the world keeps of each object besides what was applied. Knows nothing of how it is computed.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ingresses::Kept;
use super::mark::{Mark, Since};
use crate::api::{Configuration, DomainMapping, Revision, RevisionState, Route, RouteOwner};
use crate::rollout::Rollouts;
use crate::traffic::Served;

/// Reason of who wants a host that is somebody else's.
pub(super) const LOST: &str = "DomainAlreadyClaimed";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ConfigurationRecord {
    pub(super) object: Configuration,
    /// The revision of the current generation.
    pub(super) latest_created: Option<Arc<str>>,
    /// The newest one that got ready.
    pub(super) latest_ready: Option<Arc<str>>,
    /// All of its revisions that are kept, oldest first.
    pub(super) revisions: Vec<Arc<str>>,
    pub(super) ready: Mark,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RouteRecord {
    pub(super) object: Route,
    /// What the KIngress says, flattened.
    pub(super) served: Box<[Served]>,
    /// Revisions it leads to, or may lead to, sorted: what keeps them reachable.
    #[serde(skip)]
    pub(super) holds: Box<[Arc<str>]>,
    /// The last good one.
    #[serde(skip)]
    pub(super) ingress: Option<Kept>,
    /// Only while one is under way.
    pub(super) rollouts: Option<Box<Rollouts>>,
    /// `AllTrafficAssigned`.
    pub(super) assigned: Mark,
    /// `IngressReady`.
    pub(super) programmed: Mark,
}

impl RouteRecord {
    /// Its hosts are its own. One that lost a host and never had any holds none, its own name's included.
    pub(super) fn has_hosts(&self) -> bool {
        self.ingress.is_some() || !self.lost()
    }

    /// Tags whose hosts it holds: of all it wants and serves, or of what it serves if it lost one.
    pub(super) fn tags_held(&self) -> BTreeSet<Arc<str>> {
        let served = self.served.iter().filter_map(|served| served.tag.clone());
        if self.lost() {
            return served.collect();
        }
        self.object.traffic.iter().filter_map(|target| target.tag.clone()).chain(served).collect()
    }

    fn lost(&self) -> bool {
        self.programmed.verdict.why().is_some_and(|why| &*why.reason == LOST)
    }

    /// The Service that keeps it.
    pub(super) fn service(&self) -> Option<&Arc<str>> {
        match self.object.owner {
            RouteOwner::Service => Some(&self.object.metadata.name),
            RouteOwner::User => None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RevisionRecord {
    pub(super) object: Arc<Revision>,
    pub(super) state: RevisionState,
    /// When it came to that state.
    pub(super) since: Since,
    /// Routes that hold it.
    #[serde(skip)]
    pub(super) holders: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MappingRecord {
    pub(super) object: DomainMapping,
    #[serde(skip)]
    pub(super) ingress: Option<Kept>,
    /// `DomainClaimed`.
    pub(super) claimed: Mark,
    /// `ReferenceResolved`.
    pub(super) resolved: Mark,
}
