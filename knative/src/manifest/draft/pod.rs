//! The part of a draft that becomes a revision: containers, ports, variables, probes.
//! Knows nothing of defaults or rules.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// `spec.template.spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PodDraft {
    pub(crate) containers: Vec<ContainerDraft>,
    pub(crate) container_concurrency: Option<i64>,
    pub(crate) timeout_seconds: Option<i64>,
    pub(crate) response_start_timeout_seconds: Option<i64>,
    pub(crate) idle_timeout_seconds: Option<i64>,
    pub(crate) service_account_name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerDraft {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<EnvDraft>,
    pub(crate) ports: Vec<PortDraft>,
    pub(crate) working_dir: String,
    pub(crate) readiness_probe: Option<ProbeDraft>,
    pub(crate) liveness_probe: Option<ProbeDraft>,
    pub(crate) startup_probe: Option<ProbeDraft>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EnvDraft {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PortDraft {
    pub(crate) name: String,
    pub(crate) container_port: i64,
    pub(crate) protocol: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProbeDraft {
    pub(crate) http_get: Option<HttpGetDraft>,
    pub(crate) tcp_socket: Option<TcpDraft>,
    pub(crate) grpc: Option<GrpcDraft>,
    pub(crate) exec: Option<ExecDraft>,
    pub(crate) initial_delay_seconds: i64,
    pub(crate) period_seconds: i64,
    pub(crate) timeout_seconds: i64,
    pub(crate) success_threshold: i64,
    pub(crate) failure_threshold: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HttpGetDraft {
    pub(crate) path: String,
    pub(crate) port: PortRef,
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) http_headers: Vec<HeaderDraft>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HeaderDraft {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TcpDraft {
    pub(crate) port: PortRef,
    pub(crate) host: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GrpcDraft {
    pub(crate) port: i64,
    pub(crate) service: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExecDraft {
    pub(crate) command: Vec<String>,
}

/// A probe's port: a number, or the name of the container's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortRef {
    Number(i64),
    Name(String),
}

impl Default for PortRef {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl<'de> Deserialize<'de> for PortRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyPort)
    }
}

struct AnyPort;

impl Visitor<'_> for AnyPort {
    type Value = PortRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port number or name")
    }

    fn visit_unit<E: de::Error>(self) -> Result<PortRef, E> {
        Ok(PortRef::default())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<PortRef, E> {
        Ok(PortRef::Number(number))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<PortRef, E> {
        Ok(PortRef::Name(name.to_owned()))
    }
}
