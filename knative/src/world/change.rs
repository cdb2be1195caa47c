//! What the world tells those who act: outcomes, changes, notes. Knows nothing of how they come about.

use std::sync::Arc;

use crate::api::{Kind, Revision, RevisionState};
use crate::field_error::FieldError;
use crate::ingress::Ingress;
use crate::key::{Key, RevisionKey};

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

/// What happened since the last [`crate::World::take_changes`], each thing once, in its last state.
#[derive(Debug, Default)]
pub struct Changes {
    /// Revisions to run: new, changed in reachability, or (`None`) deleted.
    pub revisions: Vec<RevisionChange>,
    /// KIngresses, new, changed or (`None`) deleted. Those of Routes and of DomainMappings never share a key.
    pub ingresses: Vec<(Key, Option<Ingress>)>,
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
