//! Defaults and rules: makes the object that is stored of the draft that was written, or says what is wrong with it in
//! the words of Knative's webhook. Knows nothing of other objects; what needs them is the store's to judge.

mod autoscaling;
mod checks;
mod meta;
mod names;
mod pod;
mod probe;
mod traffic;

use std::sync::Arc;

pub(crate) use checks::Checks;
pub(crate) use names::{Signed, parse_duration};

use crate::api::{Kind, Pairs, RevisionTemplate, TrafficTarget};
use crate::manifest::draft::{DomainMappingSpecDraft, MetaDraft, TargetDraft, TemplateDraft};
use crate::path::Path;
use crate::world::Config;

/// Labels and annotations of an object that may be stored.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) labels: Pairs,
    pub(crate) annotations: Pairs,
}

/// What every object but a DomainMapping has to keep about its name and annotations.
pub(crate) fn metadata(draft: MetaDraft, kind: Kind, checks: &mut Checks) -> Meta {
    let at = Path::Root.field("metadata");
    meta::name(&draft, &at, checks);
    if kind != Kind::Route {
        autoscaling::misplaced(&draft.annotations, &at.field("annotations"), checks);
    }
    if kind != Kind::Configuration {
        meta::rollout_duration(&draft.annotations, &at.field("annotations"), checks);
    }
    meta::pairs(draft)
}

/// The template of a Service or Configuration called `parent`.
pub(crate) fn template(
    draft: TemplateDraft,
    parent: &str,
    config: &Config,
    checks: &mut Checks,
) -> RevisionTemplate {
    let spec = Path::Root.field("spec");
    let at = spec.field("template");
    let metadata = at.field("metadata");
    let annotations = metadata.field("annotations");
    meta::revision_name(&draft.metadata, parent, &metadata, checks);
    autoscaling::annotations(&draft.metadata.annotations, &annotations, checks);
    meta::progress_deadline(&draft.metadata.annotations, &annotations, checks);
    let spec = Arc::new(pod::spec(draft.spec, &at.field("spec"), config, checks));
    let name = (!draft.metadata.name.is_empty()).then(|| draft.metadata.name.as_str().into());
    let Meta { labels, annotations } = meta::pairs(draft.metadata);
    RevisionTemplate { name, labels, annotations, spec }
}

/// The targets of a Route, or of a Service called `service`, whose own Configuration is then the default.
pub(crate) fn traffic(
    drafts: Vec<TargetDraft>,
    route: &str,
    service: Option<&Arc<str>>,
    checks: &mut Checks,
) -> Arc<[TrafficTarget]> {
    traffic::targets(drafts, route, service, &Path::Root.field("spec").field("traffic"), checks)
}

/// A DomainMapping: labels and annotations, and the kind and name it refers to.
pub(crate) fn mapping(
    metadata: MetaDraft,
    spec: DomainMappingSpecDraft,
    config: &Config,
    checks: &mut Checks,
) -> (Meta, Kind, Arc<str>) {
    meta::domain(&metadata, &Path::Root.field("metadata"), config, checks);
    let namespace = metadata.key().namespace;
    let (kind, name) =
        meta::reference(spec.r#ref, &namespace, &Path::Root.field("spec").field("ref"), checks);
    (meta::pairs(metadata), kind, name)
}
