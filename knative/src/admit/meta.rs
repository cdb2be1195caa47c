//! Rules for names, labels and annotations that are not the autoscaler's. Knows nothing of specs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names::{self, Signed};
use super::{Checks, Meta};
use crate::api::Kind;
use crate::manifest::draft::{MetaDraft, ReferenceDraft};
use crate::path::Path;
use crate::words;
use crate::world::Config;

/// An object's own name.
pub(super) fn name(draft: &MetaDraft, at: &Path<'_>, checks: &mut Checks) {
    if !draft.generate_name.is_empty() {
        // A manifest is applied again and again; a new name each time would make a new object each time.
        checks.disallowed(&at.field("generateName"));
    } else if draft.name.is_empty() {
        checks.error("name or generateName is required", &at.field("name"));
    } else if let Some(faults) = names::not_dns_1035(&draft.name) {
        checks.error(format!("not a DNS 1035 label: {faults}"), &at.field("name"));
    }
    namespace(draft, at, checks);
}

fn namespace(draft: &MetaDraft, at: &Path<'_>, checks: &mut Checks) {
    if !draft.namespace.is_empty() && !names::is_dns_1123_label(&draft.namespace) {
        checks.invalid(&draft.namespace, &at.field("namespace"));
    }
}

/// The name a template brings for its revision.
pub(super) fn revision_name(draft: &MetaDraft, parent: &str, at: &Path<'_>, checks: &mut Checks) {
    if draft.name.is_empty() {
        return;
    }
    let at = at.field("name");
    if let Some(faults) = names::not_dns_1035(&draft.name) {
        checks.invalid(format!("not a DNS 1035 label: {faults}"), &at);
    }
    if !draft.name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('-')) {
        checks.invalid(format!("{:?} must have prefix {:?}", draft.name, format!("{parent}-")), &at);
    }
}

/// A DomainMapping's name is a host of somebody else's.
pub(super) fn domain(draft: &MetaDraft, at: &Path<'_>, config: &Config, checks: &mut Checks) {
    if !draft.generate_name.is_empty() {
        checks.disallowed(&at.field("generateName"));
    }
    let (name, at_name) = (&draft.name, at.field("name"));
    if let Some(fault) = names::not_a_domain(name) {
        checks.error(format!("invalid name {name:?}: name: Invalid value: {name:?}: {fault}"), &at_name);
    }
    let local = &config.cluster_domain;
    if name.strip_suffix(&**local).is_some_and(|rest| rest.ends_with('.')) {
        let message =
            format!("invalid name {name:?}: must not be a subdomain of cluster local domain {local:?}");
        checks.error(message, &at_name);
    }
    namespace(draft, at, checks);
}

/// What a DomainMapping points at.
pub(super) fn reference(
    draft: Option<ReferenceDraft>,
    namespace: &str,
    at: &Path<'_>,
    checks: &mut Checks,
) -> (Kind, Arc<str>) {
    let draft = draft.unwrap_or_default();
    for (field, value) in [("name", &draft.name), ("apiVersion", &draft.api_version), ("kind", &draft.kind)] {
        if value.is_empty() {
            checks.missing(&at.field(field));
        }
    }
    if !draft.group.is_empty() {
        checks.disallowed(&at.field("group"));
    }
    if !draft.namespace.is_empty() && draft.namespace != namespace {
        let details = format!("parent namespace: {namespace:?} does not match ref: {:?}", draft.namespace);
        checks.detailed("mismatched namespaces", &at.field("namespace"), details);
    }
    let kind = match (draft.api_version.as_str(), draft.kind.as_str()) {
        (words::SERVING_V1, "Service") => Kind::Service,
        (words::SERVING_V1, "Route") => Kind::Route,
        (version, kind) => {
            if !version.is_empty() && !kind.is_empty() {
                let message = format!("invalid value: {kind} of {version}");
                let details =
                    format!("a domain can be mapped to a Service or Route of {}", words::SERVING_V1);
                checks.detailed(message, &at.field("kind"), details);
            }
            Kind::Service
        }
    };
    (kind, draft.name.into())
}

pub(super) fn rollout_duration(annotations: &BTreeMap<String, String>, at: &Path<'_>, checks: &mut Checks) {
    seconds("rollout-duration", words::ROLLOUT_DURATION, annotations, at, checks);
}

pub(super) fn progress_deadline(annotations: &BTreeMap<String, String>, at: &Path<'_>, checks: &mut Checks) {
    seconds("progress-deadline", &[words::PROGRESS_DEADLINE], annotations, at, checks);
}

/// An annotation that holds a duration in whole seconds.
fn seconds(
    what: &str,
    keys: &[&str],
    annotations: &BTreeMap<String, String>,
    at: &Path<'_>,
    checks: &mut Checks,
) {
    let Some((key, value)) = keys.iter().find_map(|key| annotations.get_key_value(*key)) else { return };
    if value.is_empty() {
        return;
    }
    let at = at.field(key);
    match names::parse_duration(value) {
        None => checks.invalid(value, &at),
        Some(Signed::Positive(d)) if d.subsec_nanos() != 0 => {
            checks.error(format!("{what}={value} is not at second precision"), &at);
        }
        Some(Signed::Positive(_)) => {}
        Some(Signed::Negative) => checks.error(format!("{what}={value} must be positive"), &at),
    }
}

/// Labels and annotations to keep. What `kubectl apply` notes for itself is a copy of the whole object: not kept.
pub(super) fn pairs(mut draft: MetaDraft) -> Meta {
    draft.annotations.remove(words::LAST_APPLIED);
    Meta { labels: draft.labels.into(), annotations: draft.annotations.into() }
}
