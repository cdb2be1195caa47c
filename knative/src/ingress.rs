//! KIngress: what a Route or DomainMapping asks of a gateway, in Knative's own shape, and the hash that names its version.
//! Knows nothing of Envoy or xDS.
//!
//! Fields are declared in the order of Go's struct, since the hash is taken over Go's JSON of the spec
//! (`networking.internal.knative.dev/v1alpha1`, knative.dev/networking).

mod headers;
mod json;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use headers::{HeaderMatches, Headers};

use crate::api::{Kind, Pairs};
use crate::key::Key;

/// One KIngress. Two with equal specs under the same key are the same version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    pub key: Key,
    /// What it was made from: [`Kind::Route`] or [`Kind::DomainMapping`].
    pub owner: Kind,
    /// `networking.internal.knative.dev/rollout` and `…/tag-to-host`, only when there is something to tell.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub annotations: Pairs,
    pub spec: IngressSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressSpec {
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub tls: Box<[IngressTls]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub rules: Box<[IngressRule]>,
    #[serde(default, skip_serializing_if = "HttpOption::is_unset")]
    pub http_option: HttpOption,
}

/// A certificate for some hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub hosts: Box<[Arc<str>]>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub secret_name: Box<str>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub secret_namespace: Box<str>,
}

/// Hosts and what happens to their requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressRule {
    /// Exact names without a port; none means every host.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub hosts: Arc<[Arc<str>]>,
    #[serde(default)]
    pub visibility: Visibility,
    pub http: HttpRule,
}

/// Paths in order: the first that matches wins. Rules of one target share them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRule {
    pub paths: Arc<[IngressPath]>,
}

/// A prefix, the headers it asks for, and the revisions that share its requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressPath {
    /// Literal prefix of the path; empty matches all.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub path: Box<str>,
    /// The Host the request goes on with. The gateway routes it once more, by this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite_host: Option<Arc<str>>,
    /// All must match.
    #[serde(default, skip_serializing_if = "HeaderMatches::is_empty")]
    pub headers: HeaderMatches,
    pub splits: Box<[IngressSplit]>,
    /// Set on the request, replacing the client's; these win over a split's own.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub append_headers: Headers,
}

/// One share of a path's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressSplit {
    pub service_namespace: Arc<str>,
    /// For a Route: the revision. For a DomainMapping: the Route whose host `rewrite_host` is.
    pub service_name: Arc<str>,
    pub service_port: ServicePort,
    /// 1..=100 here; a path's splits sum to 100. 0 in a foreign KIngress with a lone split means 100.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub percent: u8,
    /// Set on the request, replacing the client's.
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub append_headers: Headers,
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ServicePort {
    Number(u16),
    Name(Box<str>),
}

impl ServicePort {
    /// HTTP/1.1 in clear text.
    pub const HTTP1: Self = Self::Number(80);
    /// HTTP/2 with prior knowledge in clear text.
    pub const H2C: Self = Self::Number(81);
}

/// Who may reach a rule's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Visibility {
    /// Everybody.
    #[default]
    ExternalIP,
    /// Only who is inside: other services of the cluster, or of this machine.
    ClusterLocal,
}

/// What becomes of plain HTTP once there is TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HttpOption {
    #[default]
    #[serde(rename = "")]
    Unset,
    Enabled,
    Redirected,
}

impl HttpOption {
    fn is_unset(&self) -> bool {
        *self == Self::Unset
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u8) -> bool {
    *n == 0
}

impl Ingress {
    /// Go's JSON of the spec, then the namespace, then the name: SHA-256 in lower-case hex. What a probe of this version
    /// is answered with in `K-Network-Hash`.
    pub fn hash(&self) -> String {
        json::hash(&self.spec, &self.key)
    }
}

impl IngressSpec {
    /// The spec as Go's `encoding/json` writes it, byte for byte.
    pub fn to_go_json(&self) -> Vec<u8> {
        json::to_go(self)
    }
}

#[cfg(test)]
mod tests;
