//! From a Route's targets to shares of revisions. Pure: what configurations and revisions there are is asked through
//! [`Lookup`]. Knows nothing of hosts, rollouts or stores (facts/serving.md 4.2).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::{Kind, Protocol, Reference, TrafficTarget};

/// What a target may lead to, in the Route's namespace.
pub(crate) trait Lookup {
    fn configuration(&self, name: &str) -> Option<ConfigurationFacts>;
    fn revision(&self, name: &str) -> Option<RevisionFacts>;
}

#[derive(Debug, Clone)]
pub(crate) struct ConfigurationFacts {
    pub(crate) latest_ready: Option<Arc<str>>,
    /// Its newest revision will not get ready.
    pub(crate) failed: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RevisionFacts {
    pub(crate) name: Arc<str>,
    pub(crate) configuration: Arc<str>,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) protocol: Protocol,
    pub(crate) readiness: Readiness,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    Unknown,
    Ready,
    Failed,
}

/// A target led to its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) revision: Arc<str>,
    pub(crate) configuration: Arc<str>,
    /// It follows the configuration's latest ready revision.
    pub(crate) latest: bool,
    pub(crate) protocol: Protocol,
    pub(crate) percent: u8,
}

/// Shares of one origin: the Route's main hosts, or a tag's. They sum to 100 and no revision is in there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// `None` first, then tags by name.
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) shares: Vec<Share>,
}

/// Why a Route cannot be programmed. The first failure counts more than what may still come right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    Missing { kind: Kind, name: Arc<str> },
    ConfigurationNotReady { name: Arc<str>, failed: bool },
    RevisionNotReady { name: Arc<str>, failed: bool },
    NotOwned { revision: Arc<str>, expected: Arc<str>, actual: Option<Arc<str>> },
}

impl Unresolved {
    /// No waiting will help.
    pub(crate) fn is_failure(&self) -> bool {
        match self {
            Unresolved::Missing { .. } | Unresolved::NotOwned { .. } => true,
            Unresolved::ConfigurationNotReady { failed, .. }
            | Unresolved::RevisionNotReady { failed, .. } => *failed,
        }
    }

    /// The condition's reason, Knative's.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Unresolved::Missing { kind: Kind::Configuration, .. } => "ConfigurationMissing",
            Unresolved::NotOwned { .. } => "RevisionNotOwned",
            _ => "RevisionMissing",
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unresolved::Missing { kind, name } => {
                write!(f, "{kind} {name:?} referenced in traffic not found.")
            }
            Unresolved::ConfigurationNotReady { name, failed: false } => {
                write!(f, "Configuration {name:?} is waiting for a Revision to become ready.")
            }
            Unresolved::ConfigurationNotReady { name, failed: true } => {
                write!(f, "Configuration {name:?} does not have any ready Revision.")
            }
            Unresolved::RevisionNotReady { name, failed: false } => {
                write!(f, "Revision {name:?} is not yet ready.")
            }
            Unresolved::RevisionNotReady { name, failed: true } => {
                write!(f, "Revision {name:?} failed to become ready.")
            }
            Unresolved::NotOwned { revision, expected, actual: None } => {
                write!(f, "Revision {revision:?} does not belong to Service {expected:?}.")
            }
            Unresolved::NotOwned { revision, expected, actual: Some(actual) } => {
                write!(f, "Revision {revision:?} belongs to Service {actual:?}, not Service {expected:?}.")
            }
        }
    }
}

/// Leads every target to its revision, and groups them by origin. `service` is the Route's owner, whose revisions alone
/// it may name.
pub(crate) fn resolve(
    targets: &[TrafficTarget],
    service: Option<&str>,
    lookup: &impl Lookup,
) -> Result<Vec<Group>, Unresolved> {
    let mut wrong: Option<Unresolved> = None;
    let mut shares = Vec::with_capacity(targets.len());
    for target in targets {
        match follow(target, service, lookup) {
            Ok(share) => shares.push((target.tag.clone(), share)),
            Err(unresolved) if wrong.as_ref().is_some_and(Unresolved::is_failure) => drop(unresolved),
            Err(unresolved) if wrong.is_none() || unresolved.is_failure() => wrong = Some(unresolved),
            Err(_) => {}
        }
    }
    match wrong {
        Some(unresolved) => Err(unresolved),
        None => Ok(group(shares)),
    }
}

fn follow(target: &TrafficTarget, service: Option<&str>, lookup: &impl Lookup) -> Result<Share, Unresolved> {
    let (name, latest) = match &target.to {
        Reference::Revision(name) => (Arc::clone(name), false),
        Reference::Latest(name) => {
            let missing = || Unresolved::Missing { kind: Kind::Configuration, name: Arc::clone(name) };
            let configuration = lookup.configuration(name).ok_or_else(missing)?;
            let unready =
                || Unresolved::ConfigurationNotReady { name: Arc::clone(name), failed: configuration.failed };
            (configuration.latest_ready.clone().ok_or_else(unready)?, true)
        }
    };
    let missing = || Unresolved::Missing { kind: Kind::Revision, name: Arc::clone(&name) };
    let revision = lookup.revision(&name).ok_or_else(missing)?;
    if let (false, Some(expected)) = (latest, service)
        && revision.service.as_deref() != Some(expected)
    {
        return Err(Unresolved::NotOwned {
            revision: name,
            expected: expected.into(),
            actual: revision.service,
        });
    }
    match revision.readiness {
        Readiness::Ready => Ok(Share {
            revision: revision.name,
            configuration: revision.configuration,
            latest,
            protocol: revision.protocol,
            percent: target.percent,
        }),
        readiness => Err(Unresolved::RevisionNotReady { name, failed: readiness == Readiness::Failed }),
    }
}

/// Every target counts for the main hosts; a tagged one has an origin of its own besides.
fn group(shares: Vec<(Option<Arc<str>>, Share)>) -> Vec<Group> {
    let mut tagged: Vec<Group> = Vec::new();
    for (tag, share) in &shares {
        let Some(tag) = tag else { continue };
        let shares = consolidate(std::iter::once(share.clone()));
        tagged.push(Group { tag: Some(Arc::clone(tag)), shares });
    }
    tagged.sort_by(|a, b| a.tag.cmp(&b.tag));
    let main = Group { tag: None, shares: consolidate(shares.into_iter().map(|(_, share)| share)) };
    std::iter::once(main).chain(tagged).collect()
}

/// Equal revisions become one, and one alone gets everything.
fn consolidate(shares: impl Iterator<Item = Share>) -> Vec<Share> {
    let mut merged: Vec<Share> = Vec::new();
    for share in shares {
        match merged.iter_mut().find(|known| known.revision == share.revision) {
            Some(known) => known.percent = known.percent.saturating_add(share.percent).min(100),
            None => merged.push(share),
        }
    }
    if let [only] = merged.as_mut_slice() {
        only.percent = 100;
    }
    merged
}

/// A line of `status.traffic`: what is served, flattened to revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Served {
    pub(crate) revision: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) percent: u8,
    /// It is there for a latestRevision target.
    pub(crate) latest: bool,
}

#[cfg(test)]
mod tests;
