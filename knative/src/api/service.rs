//! Service, Configuration, Route and DomainMapping: who owns which revisions, and where their traffic goes.
//! Knows nothing of how traffic is resolved.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::meta::ObjectMeta;
use super::revision::RevisionTemplate;

/// Kinds a manifest may hold. A Revision is only ever made by a Configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    Service,
    Configuration,
    Route,
    Revision,
    DomainMapping,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Service => "Service",
            Kind::Configuration => "Configuration",
            Kind::Route => "Route",
            Kind::Revision => "Revision",
            Kind::DomainMapping => "DomainMapping",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A Configuration and a Route of the same name, kept by one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub metadata: ObjectMeta,
    pub spec: ServiceSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub template: Arc<RevisionTemplate>,
    pub traffic: Arc<[TrafficTarget]>,
}

/// Makes a revision of every generation of its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    pub metadata: ObjectMeta,
    pub template: Arc<RevisionTemplate>,
    /// Owned by the Service of the same name.
    #[serde(default)]
    pub owned: bool,
}

/// Hosts, and the revisions they lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub metadata: ObjectMeta,
    pub traffic: Arc<[TrafficTarget]>,
    #[serde(default)]
    pub owner: RouteOwner,
}

/// Who keeps a Route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RouteOwner {
    #[default]
    User,
    /// The Service of the same name. Its Route reaches only revisions of that Service.
    Service,
}

/// One line of `spec.traffic`, defaulted: exactly one of the two names is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficTarget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<Arc<str>>,
    #[serde(flatten)]
    pub to: Reference,
    /// 0..=100; a Route's targets sum to 100.
    pub percent: u8,
}

/// What a traffic target names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reference {
    /// The newest ready revision of this Configuration, whichever that is at the time (`latestRevision: true`).
    #[serde(rename = "configurationName")]
    Latest(Arc<str>),
    /// This revision (`latestRevision: false`).
    #[serde(rename = "revisionName")]
    Revision(Arc<str>),
}

/// A host of the user's own for a Service. Its name is the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainMapping {
    pub metadata: ObjectMeta,
    /// The Service or Route of the same namespace it leads to.
    pub target: Arc<str>,
    pub target_kind: Kind,
}
