//! Configurations and their revisions: stamping, the latest created and the latest ready, garbage.
//! Knows nothing of traffic but which Routes to ask again.

use std::sync::Arc;
use std::time::SystemTime;

use super::mark::Verdict;
use super::record::{ConfigurationRecord, RevisionRecord};
use super::{Severity, World};
use crate::api::{Configuration, Kind, ObjectMeta, Revision, RevisionState, RevisionTemplate};
use crate::key::{Key, RevisionKey};
use crate::words;

/// Longest name of an object that becomes a label of a host.
const MAX_NAME: usize = 63;

/// `<configuration>-00001`, shortened by a digest where that would be too long.
pub(super) fn revision_name(configuration: &str, template: &RevisionTemplate, generation: u64) -> Arc<str> {
    use sha2::{Digest, Sha256};
    if let Some(name) = &template.name {
        return Arc::clone(name);
    }
    let suffix = format!("-{generation:05}");
    let name = format!("{configuration}{suffix}");
    if name.len() <= MAX_NAME {
        return name.into();
    }
    let digest = Sha256::digest(configuration.as_bytes());
    let digest: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let head: String = configuration.chars().take(MAX_NAME - digest.len() - suffix.len()).collect();
    format!("{head}{digest}{suffix}").into()
}

impl World {
    /// Makes the revision of the current generation, or takes the one that has its name: what is allowed was checked.
    pub(super) fn stamp(&mut self, key: &Key, now: SystemTime) {
        let version = self.next_version();
        let Some(record) = self.configurations.get_mut(key) else { return };
        let Some(object) = record.next_revision(key, version) else { return };
        let revision =
            RevisionKey { namespace: Arc::clone(&key.namespace), name: Arc::clone(&object.metadata.name) };
        record.latest_created = Some(Arc::clone(&revision.name));
        if !self.revisions.contains_key(&revision) {
            record.revisions.reserve_exact(1);
            record.revisions.push(Arc::clone(&revision.name));
            let object = Arc::new(object);
            let fresh =
                RevisionRecord { object, state: RevisionState::Starting, since: now.into(), holders: 0 };
            self.revisions.insert(revision.clone(), Box::new(fresh));
            self.changed.revisions.insert(revision.clone());
            self.touch(Kind::Revision, &Key { namespace: revision.namespace, name: revision.name });
        }
        self.settle(key, now);
    }

    /// Finds the latest ready revision anew, says how the Configuration stands, and asks its Routes again.
    pub(super) fn settle(&mut self, key: &Key, now: SystemTime) {
        let Some(record) = self.configurations.get(key) else { return };
        let latest_ready = self.latest_ready(key, record);
        let created = record.latest_created.as_ref().and_then(|name| self.revision(&key.namespace, name));
        let verdict = match created.map(|created| (&created.state, &created.object.metadata.name)) {
            Some((RevisionState::Ready, _)) => Verdict::True,
            Some((RevisionState::Failed { message, .. }, name)) => {
                let message = message.strip_suffix('.').unwrap_or(message);
                Verdict::wrong("RevisionFailed", format!("Revision {name:?} failed with message: {message}."))
            }
            Some((RevisionState::Starting, _)) | None => Verdict::Unknown(None),
        };
        let Some(record) = self.configurations.get_mut(key) else { return };
        let ready_moved = record.latest_ready != latest_ready;
        record.latest_ready = latest_ready;
        if record.ready.set(verdict, now) || ready_moved {
            self.touch(Kind::Configuration, key);
            self.touch_service(key);
        }
        for route in self.followers_of(Kind::Configuration, key) {
            self.reconcile_route(&route, now);
        }
        self.collect_garbage(key);
    }

    /// The newest ready one, never older than the one it was; the one of the current template counts as newest, even if
    /// its name was brought back from an older generation.
    fn latest_ready(&self, key: &Key, record: &ConfigurationRecord) -> Option<Arc<str>> {
        let is_ready = |name: &Arc<str>| {
            self.revision(&key.namespace, name).is_some_and(|revision| revision.state == RevisionState::Ready)
        };
        let newer =
            record.revisions.iter().rev().take_while(|name| Some(*name) != record.latest_ready.as_ref());
        let created = record.latest_created.as_ref().filter(|name| is_ready(name));
        created
            .or_else(|| newer.into_iter().find(|name| is_ready(name)))
            .or(record.latest_ready.as_ref())
            .cloned()
    }

    pub(super) fn revision(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<&RevisionRecord> {
        self.revisions
            .get(&RevisionKey { namespace: Arc::clone(namespace), name: Arc::clone(name) })
            .map(|record| &**record)
    }

    /// A revision's readiness changed.
    pub(super) fn revision_moved(&mut self, key: &RevisionKey, now: SystemTime) {
        let Some(record) = self.revisions.get(key) else { return };
        let configuration =
            Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&record.object.configuration) };
        self.settle(&configuration, now);
        let object = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&key.name) };
        for route in self.followers_of(Kind::Revision, &object) {
            self.reconcile_route(&route, now);
        }
    }

    /// Drops the oldest revisions no Route holds, beyond those to keep. The latest created and ready ones stay.
    pub(super) fn collect_garbage(&mut self, key: &Key) {
        let Some(record) = self.configurations.get(key) else { return };
        if record.revisions.len() <= self.config.max_non_active_revisions {
            return;
        }
        let latest = [record.latest_created.as_ref(), record.latest_ready.as_ref()];
        let idle = |name: &&Arc<str>| {
            let Some(revision) = self.revision(&key.namespace, name) else { return false };
            let preserved = revision.object.metadata.annotations.get(words::NO_GC);
            revision.holders == 0
                && !latest.contains(&Some(name))
                && !preserved.is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        let idle: Vec<Arc<str>> = record.revisions.iter().filter(idle).cloned().collect();
        let surplus = idle.len().saturating_sub(self.config.max_non_active_revisions);
        for name in idle.into_iter().take(surplus) {
            self.delete_revision(key, &name);
        }
    }

    fn delete_revision(&mut self, configuration: &Key, name: &Arc<str>) {
        let revision =
            RevisionKey { namespace: Arc::clone(&configuration.namespace), name: Arc::clone(name) };
        if let Some(record) = self.configurations.get_mut(configuration) {
            record.revisions.retain(|known| known != name);
        }
        if self.revisions.remove(&revision).is_some() {
            self.touch(
                Kind::Revision,
                &Key { namespace: Arc::clone(&revision.namespace), name: Arc::clone(name) },
            );
            self.changed.revisions.insert(revision);
        }
    }

    pub(super) fn delete_configuration(&mut self, key: &Key, now: SystemTime) {
        let Some(record) = self.configurations.remove(key) else { return };
        self.touch(Kind::Configuration, key);
        for name in &record.revisions {
            self.delete_revision(key, name);
        }
        for route in self.followers_of(Kind::Configuration, key) {
            self.reconcile_route(&route, now);
        }
        for name in &record.revisions {
            let revision = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(name) };
            for route in self.followers_of(Kind::Revision, &revision) {
                self.note(
                    Kind::Route,
                    &route,
                    Severity::Warning,
                    format!("Revision {name:?} referenced in traffic was deleted"),
                );
                self.reconcile_route(&route, now);
            }
        }
    }
}

impl ConfigurationRecord {
    /// The revision of the current generation; none if it is there already.
    fn next_revision(&self, key: &Key, version: u64) -> Option<Revision> {
        let Configuration { metadata, template, owned } = &self.object;
        let name = revision_name(&key.name, template, metadata.generation);
        if self.latest_created.as_ref() == Some(&name) {
            return None;
        }
        let own = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&name) };
        Some(Revision {
            metadata: ObjectMeta {
                name,
                namespace: Arc::clone(&key.namespace),
                uid: World::new_uid(Kind::Revision, &own, version),
                generation: 1,
                resource_version: version,
                labels: template.labels.clone(),
                annotations: template.annotations.clone(),
            },
            spec: Arc::clone(&template.spec),
            service: owned.then(|| Arc::clone(&key.name)),
            configuration: Arc::clone(&key.name),
            configuration_generation: metadata.generation,
        })
    }
}
