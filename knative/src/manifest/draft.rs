//! Objects as people write them: every field may be missing or out of bounds.
//! Knows nothing of defaults or rules; `admit` makes objects of drafts.

mod extra;
mod pod;

use std::collections::BTreeMap;

use serde::Deserialize;

pub(super) use extra::{Extra, extra};
pub(crate) use pod::{ContainerDraft, EnvDraft, HttpGetDraft, PodDraft, PortDraft, PortRef, ProbeDraft};

use super::Problem;
use super::decode::Decoder;
use crate::api::Kind;
use crate::key::Key;

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";
const SERVING: &str = "serving.knative.dev/v1";
const SERVING_BETA: &str = "serving.knative.dev/v1beta1";

/// An object of a manifest, by kind.
#[derive(Debug, Clone)]
pub(crate) enum Draft {
    Service(ObjectDraft<ServiceSpecDraft>),
    Configuration(ObjectDraft<ConfigurationSpecDraft>),
    Route(ObjectDraft<RouteSpecDraft>),
    DomainMapping(ObjectDraft<DomainMappingSpecDraft>),
}

/// What every kind has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound = "S: Deserialize<'de> + Default")]
pub(crate) struct ObjectDraft<S> {
    pub(crate) metadata: MetaDraft,
    pub(crate) spec: S,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct MetaDraft {
    pub(crate) name: String,
    pub(crate) generate_name: String,
    pub(crate) namespace: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceSpecDraft {
    pub(crate) template: TemplateDraft,
    pub(crate) traffic: Vec<TargetDraft>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConfigurationSpecDraft {
    pub(crate) template: TemplateDraft,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RouteSpecDraft {
    pub(crate) traffic: Vec<TargetDraft>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DomainMappingSpecDraft {
    pub(crate) r#ref: Option<ReferenceDraft>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ReferenceDraft {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) group: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TemplateDraft {
    pub(crate) metadata: MetaDraft,
    pub(crate) spec: PodDraft,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TargetDraft {
    pub(crate) tag: String,
    pub(crate) revision_name: String,
    pub(crate) configuration_name: String,
    pub(crate) latest_revision: Option<bool>,
    pub(crate) percent: Option<i64>,
    pub(crate) url: String,
}

impl MetaDraft {
    pub(crate) fn key(&self) -> Key {
        let namespace = if self.namespace.is_empty() { DEFAULT_NAMESPACE } else { &self.namespace };
        Key::new(namespace, self.name.as_str())
    }
}

impl Draft {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Draft::Service(_) => Kind::Service,
            Draft::Configuration(_) => Kind::Configuration,
            Draft::Route(_) => Kind::Route,
            Draft::DomainMapping(_) => Kind::DomainMapping,
        }
    }

    pub(crate) fn metadata(&self) -> &MetaDraft {
        match self {
            Draft::Service(object) => &object.metadata,
            Draft::Configuration(object) => &object.metadata,
            Draft::Route(object) => &object.metadata,
            Draft::DomainMapping(object) => &object.metadata,
        }
    }

    /// Reads one object; unknown kinds and versions are refused by name.
    pub(super) fn read(at: Decoder<'_, '_>) -> Result<Self, Problem> {
        let Some(kind) = at.text("kind") else {
            return Err(at.problem("kind", "missing field(s): kind".into()));
        };
        let Some(version) = at.text("apiVersion") else {
            return Err(at.problem("apiVersion", "missing field(s): apiVersion".into()));
        };
        let draft = match (version, kind) {
            (SERVING, "Service") => Draft::Service(ObjectDraft::deserialize(at)?),
            (SERVING, "Configuration") => Draft::Configuration(ObjectDraft::deserialize(at)?),
            (SERVING, "Route") => Draft::Route(ObjectDraft::deserialize(at)?),
            (SERVING_BETA, "DomainMapping") => Draft::DomainMapping(ObjectDraft::deserialize(at)?),
            _ => return Err(at.problem("kind", refusal(version, kind))),
        };
        Ok(draft)
    }
}

/// `kubectl`'s words for what nobody serves, and what would be served instead.
fn refusal(version: &str, kind: &str) -> String {
    let hint = match (version, kind) {
        (SERVING, "Revision") => {
            "a Revision is made by its Service or Configuration and cannot be applied".to_owned()
        }
        (_, "Service" | "Configuration" | "Route") => format!("this platform's {kind} is of {SERVING}"),
        (_, "DomainMapping") => format!("this platform's DomainMapping is of {SERVING_BETA}"),
        _ => format!(
            "served are Service, Configuration and Route of {SERVING}, and DomainMapping of {SERVING_BETA}"
        ),
    };
    format!("no matches for kind {kind:?} in version {version:?}: {hint}")
}
