//! Revision: an immutable snapshot of code and settings, and the template it is made from.
//! Knows nothing of traffic.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::container::{Container, Protocol};
use super::meta::{ObjectMeta, Pairs, Uid};
use crate::key::RevisionKey;

/// A stored revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    pub metadata: ObjectMeta,
    pub spec: Arc<RevisionSpec>,
    /// The Service it descends from, if its Configuration belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Arc<str>>,
    /// The Configuration it was made by.
    pub configuration: Arc<str>,
    /// That Configuration's generation when this became its newest revision.
    pub configuration_generation: u64,
}

impl Revision {
    /// A lone revision of one container with Knative's defaults, as if a Configuration of this name had made it.
    pub fn lone(key: &RevisionKey, configuration: &str, container: Container) -> Self {
        let metadata = ObjectMeta {
            name: Arc::clone(&key.name),
            namespace: Arc::clone(&key.namespace),
            uid: Uid(1),
            generation: 1,
            resource_version: 1,
            labels: Pairs::default(),
            annotations: Pairs::default(),
        };
        let spec = RevisionSpec {
            containers: [container].into(),
            container_concurrency: 0,
            timeout_seconds: 300,
            response_start_timeout_seconds: 0,
            idle_timeout_seconds: 0,
        };
        let configuration = configuration.into();
        Self { metadata, spec: Arc::new(spec), service: None, configuration, configuration_generation: 1 }
    }
}

/// What a Configuration stamps revisions from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionTemplate {
    /// A name brought by the user; none: `<configuration>-<generation, five digits>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub labels: Pairs,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub annotations: Pairs,
    pub spec: Arc<RevisionSpec>,
}

/// The immutable part. Times are in seconds; 0 is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionSpec {
    pub containers: Box<[Container]>,
    /// Requests one replica may serve at a time; 0 is unlimited.
    pub container_concurrency: u32,
    /// Seconds a whole request may take. Never 0.
    pub timeout_seconds: u32,
    /// Seconds until the first byte of the response.
    #[serde(default)]
    pub response_start_timeout_seconds: u32,
    /// Seconds without a byte of the response.
    #[serde(default)]
    pub idle_timeout_seconds: u32,
}

impl RevisionSpec {
    /// The container that gets the requests: the one with a port, else the only one.
    pub fn serving(&self) -> Option<&Container> {
        self.containers.iter().find(|c| !c.ports.is_empty()).or(self.containers.first())
    }

    /// What the serving container speaks.
    pub fn protocol(&self) -> Protocol {
        self.serving().and_then(|c| c.ports.first()).map_or(Protocol::Http1, |p| p.protocol)
    }

    /// The port the manifest asks for; 0 if none.
    pub fn port(&self) -> u16 {
        self.serving().and_then(|c| c.ports.first()).map_or(0, |p| p.container_port)
    }
}
