//! One container of a revision, reduced to what a single machine can honour.
//! Knows nothing of images, registries or Kubernetes' pods.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::probe::Probe;

/// What runs: a command with its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub image: Box<str>,
    /// The program, replacing the image's entry point; empty: the image's.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub command: Box<[Box<str>]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub args: Box<[Box<str>]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub env: Box<[EnvVar]>,
    /// At most one over all containers of a revision; it marks the one that serves.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub ports: Box<[ContainerPort]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<Box<str>>,
    /// Always present on the serving container: the default is a TCP connect.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "super::probe::shared")]
    pub readiness_probe: Option<Arc<Probe>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Box<Probe>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Box<Probe>>,
}

/// One variable. `$(NAME)` in the value stands for another variable; who starts the process expands it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    pub name: Box<str>,
    #[serde(default)]
    pub value: Box<str>,
}

/// The port a container asks for, and what is spoken on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    #[serde(rename = "name")]
    pub protocol: Protocol,
    /// 8080 when the manifest names none; 0 in a manifest means the same.
    pub container_port: u16,
}

/// What a container speaks, told by its port's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1, the default.
    #[default]
    #[serde(rename = "http1")]
    Http1,
    /// HTTP/2 with prior knowledge, in clear text.
    #[serde(rename = "h2c")]
    H2c,
}
