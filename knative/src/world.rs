//! The object store and what follows from it: Services make Configurations and Routes, Configurations make Revisions,
//! Routes make KIngresses. Knows nothing of files, clients, xDS or processes; time is an argument.
//!
//! Every call costs what the object it names costs, never what the store holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::api::{Condition, Kind, Revision, RevisionState};
use crate::field_error::{FieldError, Invalid};
use crate::ingress::Ingress;
use crate::key::{Key, RevisionKey};
use crate::manifest::Object;

/// What an installation decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// Domains under which public hosts are made, `<name>.<namespace>.<domain>`; the first is the one shown in URLs.
    pub domains: Vec<Arc<str>>,
    /// `cluster.local`: the domain of `<name>.<namespace>.svc.<domain>`.
    pub cluster_domain: Arc<str>,
    /// How long a new latest revision takes to get all traffic, unless the annotation says otherwise; zero: at once.
    pub rollout_duration: Duration,
    /// Requests with `Knative-Serving-Tag: <tag>` go to that tag's target on the Route's main hosts, too.
    pub tag_header_routing: bool,
    /// Largest `timeoutSeconds` a revision may have.
    pub max_timeout_seconds: u32,
    /// Non-active revisions of one Configuration that are kept.
    pub max_non_active_revisions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: vec!["localhost".into(), "127.0.0.1.sslip.io".into()],
            cluster_domain: "cluster.local".into(),
            rollout_duration: Duration::ZERO,
            tag_header_routing: false,
            max_timeout_seconds: 600,
            max_non_active_revisions: 20,
        }
    }
}

/// What became of an applied object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub outcome: Outcome,
    /// What was accepted and yet deserves a word.
    pub warnings: Vec<FieldError>,
}

/// As `kubectl apply` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Configured,
    Unchanged,
}

/// What happened since the last [`World::take_changes`], each thing once, in its last state.
#[derive(Debug, Default)]
pub struct Changes {
    /// Revisions to run: new, changed in reachability, or (`None`) deleted.
    pub revisions: Vec<RevisionChange>,
    /// KIngresses, new, changed or (`None`) deleted. Those of Routes and of DomainMappings never share a key.
    pub ingresses: Vec<(Key, Option<Arc<Ingress>>)>,
    /// Objects whose stored form or status changed: for the state directory and the screen.
    pub touched: Vec<(Kind, Key)>,
    /// What people should be told, in order.
    pub notes: Vec<Note>,
}

/// One revision's new state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionChange {
    pub key: RevisionKey,
    /// `None`: it is gone.
    pub revision: Option<Arc<Revision>>,
    /// Some Route leads to it, or may once it is ready. One that no Route leads to is scaled down and not kept warm.
    pub reachable: bool,
    pub state: RevisionState,
}

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub kind: Kind,
    pub key: Key,
    pub severity: Severity,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warning,
}

/// A Service as it stands, for the screen.
#[derive(Debug, Clone)]
pub struct ServiceView {
    pub key: Key,
    /// `http://hello.default.localhost`: scheme and host; who listens adds the port.
    pub url: String,
    /// `Ready` first, then what it is made of.
    pub conditions: Vec<Condition>,
    pub latest_created: Option<Arc<str>>,
    pub latest_ready: Option<Arc<str>>,
    /// What the gateway does now, by target.
    pub traffic: Vec<TrafficView>,
}

/// One revision's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficView {
    pub revision: Arc<str>,
    pub percent: u8,
    pub tag: Option<Arc<str>>,
    /// Of the tag.
    pub url: Option<String>,
    /// It follows the latest ready revision.
    pub latest: bool,
}

/// All objects. See the module.
#[derive(Debug)]
pub struct World {
    config: Config,
}

impl World {
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Defaults, validates and stores one object, and reconciles what follows from it. Nothing changes on an error.
    pub fn apply(&mut self, _object: Object, _now: SystemTime) -> Result<Applied, Invalid> {
        Ok(Applied { outcome: Outcome::Unchanged, warnings: Vec::new() })
    }

    /// Deletes an object and what it owns. False if there was none, or it belongs to another object.
    pub fn delete(&mut self, _kind: Kind, _key: &Key, _now: SystemTime) -> bool {
        false
    }

    /// What the platform has to say of a revision. Once ready it stays ready: scaled to zero is ready.
    pub fn set_revision_state(&mut self, _key: &RevisionKey, _state: RevisionState, _now: SystemTime) {}

    /// Takes the steps of gradual rollouts that are due. Returns when the next one is.
    pub fn tick(&mut self, _now: SystemTime) -> Option<SystemTime> {
        None
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        Changes::default()
    }

    /// Every Service, by name.
    pub fn services(&self) -> impl Iterator<Item = ServiceView> + '_ {
        std::iter::empty()
    }

    /// Every Revision with its state, by name.
    pub fn revisions(&self) -> impl Iterator<Item = (RevisionKey, Arc<Revision>, RevisionState)> + '_ {
        std::iter::empty()
    }

    /// Objects applied from outside (not made by another object), for a source to compare with what it sees.
    pub fn roots(&self) -> impl Iterator<Item = (Kind, Key)> + '_ {
        std::iter::empty()
    }

    /// Everything, for the state directory.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }

    /// A world as it was. Everything in it is in the first [`World::take_changes`].
    pub fn restore(config: Config, _snapshot: Snapshot, _now: SystemTime) -> Self {
        Self::new(config)
    }
}

/// What the state directory holds. Opaque: written and read whole with serde.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {}
