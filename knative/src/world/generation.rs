//! From one version of an object to the next: what counts as a change, what a name may stand for, and what two versions
//! share. Knows nothing of what follows from a change.

use std::sync::Arc;

use super::change::Outcome;
use super::configuration::revision_name;
use super::{World, diff};
use crate::admit::{Checks, Meta};
use crate::api::{Kind, ObjectMeta, RevisionTemplate, TrafficTarget};
use crate::key::{Key, RevisionKey};
use crate::path::Path;

impl World {
    /// Metadata for what is stored next, and what to call it. The generation counts changes of the spec only.
    pub(super) fn next_meta(
        &self,
        kind: Kind,
        key: Key,
        old: Option<&ObjectMeta>,
        meta: &Meta,
        same_spec: bool,
    ) -> (Outcome, ObjectMeta) {
        let version = self.version + 1;
        let Meta { labels, annotations } = meta;
        match old {
            None => {
                let uid = Self::new_uid(kind, &key, version);
                let metadata = ObjectMeta {
                    name: key.name,
                    namespace: key.namespace,
                    uid,
                    generation: 1,
                    resource_version: version,
                    labels: labels.clone(),
                    annotations: annotations.clone(),
                };
                (Outcome::Created, metadata)
            }
            Some(old) if same_spec && old.labels == *labels && old.annotations == *annotations => {
                (Outcome::Unchanged, old.clone())
            }
            Some(old) => {
                let metadata = ObjectMeta {
                    generation: old.generation + u64::from(!same_spec),
                    resource_version: version,
                    labels: labels.clone(),
                    annotations: annotations.clone(),
                    ..old.clone()
                };
                (Outcome::Configured, metadata)
            }
        }
    }

    /// A name the user brings stands for one template for ever, and no revision is made twice.
    pub(super) fn check_template(&self, key: &Key, template: &RevisionTemplate, checks: &mut Checks) {
        let path = Path::Root.field("spec");
        let path = path.field("template");
        let path = path.field("metadata");
        let at = path.field("name");
        let old = self.configurations.get(key).map(|record| &record.object);
        if let Some(old) = old {
            if *old.template == *template {
                return;
            }
            if template.name.is_some() && template.name == old.template.name {
                let message = "Saw the following changes without a name change (-old +new)";
                checks.detailed(message, &at, diff::of(&*old.template, template));
                return;
            }
        }
        let generation = old.map_or(1, |old| old.metadata.generation + 1);
        let name = revision_name(&key.name, template, generation);
        let revision = RevisionKey { namespace: Arc::clone(&key.namespace), name };
        if let Some(record) = self.revisions.get(&revision)
            && (record.object.configuration != key.name || record.object.spec != template.spec)
        {
            let name = &revision.name;
            let message = format!(
                "The revision name {name:?} is taken by a conflicting Revision, so traffic will not be migrated"
            );
            let details = if record.object.configuration == key.name {
                diff::of(&*record.object.spec, &*template.spec)
            } else {
                format!("it belongs to Configuration {:?}", record.object.configuration)
            };
            checks.detailed(message, &at, details);
        }
    }
}

/// The stored template if it is the same, else the new one, with the stored spec if that is the same.
pub(super) fn share_template(
    old: Option<&Arc<RevisionTemplate>>,
    mut new: RevisionTemplate,
) -> Arc<RevisionTemplate> {
    match old {
        Some(old) if **old == new => Arc::clone(old),
        Some(old) => {
            if old.spec == new.spec {
                new.spec = Arc::clone(&old.spec);
            }
            Arc::new(new)
        }
        None => Arc::new(new),
    }
}

pub(super) fn share_traffic(
    old: Option<&Arc<[TrafficTarget]>>,
    new: Arc<[TrafficTarget]>,
) -> Arc<[TrafficTarget]> {
    match old {
        Some(old) if *old == new => Arc::clone(old),
        _ => new,
    }
}
