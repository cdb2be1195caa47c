//! Conditions, and what the platform says of a revision. Knows nothing of who sets them.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// One condition of an object, as Kubernetes shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `ConfigurationsReady`, `AllTrafficAssigned`, …
    #[serde(rename = "type")]
    pub kind: Box<str>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub reason: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Box<str>,
    pub last_transition_time: SystemTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    True,
    False,
    Unknown,
}

/// How far a revision has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RevisionState {
    /// Not proven yet.
    #[default]
    Starting,
    /// Was ready once. It stays so when scaled to zero.
    Ready,
    /// Never got ready, or can no longer. `reason` is one word as Knative has them (`ExitCode1`,
    /// `ProgressDeadlineExceeded`, `ContainerMissing`), `message` is for people.
    Failed { reason: Box<str>, message: Box<str> },
}
