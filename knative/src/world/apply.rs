//! Applying a draft: admission, comparison with what is stored, generations, and the first push of what follows.
//! Knows nothing of how configurations and routes settle.

use std::sync::Arc;
use std::time::SystemTime;

use super::World;
use super::change::{Applied, Outcome};
use super::generation::{share_template, share_traffic};
use super::mark::Mark;
use super::record::{ConfigurationRecord, MappingRecord, RouteRecord};
use crate::admit::{self, Checks, Meta};
use crate::api::{
    Configuration, DomainMapping, Kind, RevisionTemplate, Route, RouteOwner, Service, ServiceSpec,
    TrafficTarget,
};
use crate::field_error::Invalid;
use crate::key::Key;
use crate::manifest::draft::{
    ConfigurationSpecDraft, DomainMappingSpecDraft, Draft, ObjectDraft, RouteSpecDraft, ServiceSpecDraft,
};
use crate::path::Path;

impl World {
    pub(super) fn apply_draft(&mut self, draft: Draft, now: SystemTime) -> Result<Applied, Invalid> {
        match draft {
            Draft::Service(draft) => self.apply_service(draft, now),
            Draft::Configuration(draft) => self.apply_configuration(draft, now),
            Draft::Route(draft) => self.apply_route(draft, now),
            Draft::DomainMapping(draft) => self.apply_mapping(draft, now),
        }
    }

    fn apply_service(
        &mut self,
        draft: ObjectDraft<ServiceSpecDraft>,
        now: SystemTime,
    ) -> Result<Applied, Invalid> {
        let mut checks = Checks::default();
        let mut key = draft.metadata.key();
        if let Some((known, _)) = self.services.get_key_value(&key) {
            key = known.clone();
        }
        let template = admit::template(draft.spec.template, &key.name, &self.config, &mut checks);
        let traffic = admit::traffic(draft.spec.traffic, &key.name, Some(&key.name), &mut checks);
        let meta = admit::metadata(draft.metadata, Kind::Service, &mut checks);
        let old = self.services.get(&key);
        self.check_template(&key, &template, &mut checks);
        if old.is_none() {
            for (kind, taken) in [
                (Kind::Configuration, self.configurations.contains_key(&key)),
                (Kind::Route, self.routes.contains_key(&key)),
            ] {
                if taken {
                    let message = format!("There is an existing {kind} {:?} that we do not own.", key.name);
                    checks.error(message, &Path::Root.field("metadata").field("name"));
                }
            }
        }
        let warnings = checks.finish()?;

        let key = self.intern(key);
        let old = self.services.get(&key);
        let template = share_template(old.map(|old| &old.spec.template), template);
        let traffic = share_traffic(old.map(|old| &old.spec.traffic), traffic);
        let same_spec =
            old.is_some_and(|old| Arc::ptr_eq(&old.spec.template, &template) && old.spec.traffic == traffic);
        let (outcome, metadata) =
            self.next_meta(Kind::Service, key, old.map(|old| &old.metadata), &meta, same_spec);
        if outcome != Outcome::Unchanged {
            let key = Key { namespace: Arc::clone(&metadata.namespace), name: Arc::clone(&metadata.name) };
            let spec = ServiceSpec { template: Arc::clone(&template), traffic: Arc::clone(&traffic) };
            self.services.insert(key.clone(), Box::new(Service { metadata, spec }));
            self.put_route(&key, &meta, traffic, RouteOwner::Service, now);
            self.put_configuration(&key, &meta, template, true, now);
            self.reconcile_route(&key, now);
            self.reconcile_mappings_of(&key, now);
            self.touch(Kind::Service, &key);
        }
        Ok(Applied { outcome, warnings })
    }

    fn apply_configuration(
        &mut self,
        draft: ObjectDraft<ConfigurationSpecDraft>,
        now: SystemTime,
    ) -> Result<Applied, Invalid> {
        let mut checks = Checks::default();
        let mut key = draft.metadata.key();
        if let Some((known, record)) = self.configurations.get_key_value(&key) {
            if record.object.owned {
                owned(Kind::Configuration, &key, &mut checks);
            }
            key = known.clone();
        }
        let template = admit::template(draft.spec.template, &key.name, &self.config, &mut checks);
        let meta = admit::metadata(draft.metadata, Kind::Configuration, &mut checks);
        self.check_template(&key, &template, &mut checks);
        let warnings = checks.finish()?;
        let key = self.intern(key);
        let old = self.configurations.get(&key).map(|record| &record.object.template);
        let template = share_template(old, template);
        let outcome = self.put_configuration(&key, &meta, template, false, now);
        Ok(Applied { outcome, warnings })
    }

    fn apply_route(
        &mut self,
        draft: ObjectDraft<RouteSpecDraft>,
        now: SystemTime,
    ) -> Result<Applied, Invalid> {
        let mut checks = Checks::default();
        let mut key = draft.metadata.key();
        if let Some((known, record)) = self.routes.get_key_value(&key) {
            if record.service().is_some() {
                owned(Kind::Route, &key, &mut checks);
            }
            key = known.clone();
        }
        let traffic = admit::traffic(draft.spec.traffic, &key.name, None, &mut checks);
        let meta = admit::metadata(draft.metadata, Kind::Route, &mut checks);
        let warnings = checks.finish()?;
        let key = self.intern(key);
        let traffic = share_traffic(self.routes.get(&key).map(|record| &record.object.traffic), traffic);
        let outcome = self.put_route(&key, &meta, traffic, RouteOwner::User, now);
        if outcome != Outcome::Unchanged {
            self.reconcile_route(&key, now);
            self.reconcile_mappings_of(&key, now);
        }
        Ok(Applied { outcome, warnings })
    }

    fn apply_mapping(
        &mut self,
        draft: ObjectDraft<DomainMappingSpecDraft>,
        now: SystemTime,
    ) -> Result<Applied, Invalid> {
        let mut checks = Checks::default();
        let key = draft.metadata.key();
        let (meta, target_kind, target) =
            admit::mapping(draft.metadata, draft.spec, &self.config, &mut checks);
        let warnings = checks.finish()?;
        let key = self.intern(key);
        let old = self.mappings.get(&key);
        let same_spec =
            old.is_some_and(|old| old.object.target == target && old.object.target_kind == target_kind);
        let old_target = old
            .map(|old| Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&old.object.target) });
        let old_meta = old.map(|old| old.object.metadata.clone());
        let (outcome, metadata) =
            self.next_meta(Kind::DomainMapping, key.clone(), old_meta.as_ref(), &meta, same_spec);
        if outcome == Outcome::Unchanged {
            return Ok(Applied { outcome, warnings });
        }
        if let Some(old_target) = old_target {
            self.unfollow(Kind::Service, &old_target, &key.name);
        }
        let leader = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&target) };
        self.follow(Kind::Service, leader, &key.name);
        let object = DomainMapping { metadata, target, target_kind };
        match self.mappings.get_mut(&key) {
            Some(record) => record.object = object,
            None => {
                let (claimed, resolved) = (Mark::new(now), Mark::new(now));
                let record = MappingRecord { object, ingress: None, claimed, resolved };
                self.mappings.insert(key.clone(), Box::new(record));
            }
        }
        self.touch(Kind::DomainMapping, &key);
        self.reconcile_mapping(&key, now);
        Ok(Applied { outcome, warnings })
    }

    /// Stores a Configuration; a new template makes a new revision.
    fn put_configuration(
        &mut self,
        key: &Key,
        meta: &Meta,
        template: Arc<RevisionTemplate>,
        owned: bool,
        now: SystemTime,
    ) -> Outcome {
        let old = self.configurations.get(key).map(|record| &record.object);
        let same_spec = old.is_some_and(|old| Arc::ptr_eq(&old.template, &template));
        let old_meta = old.map(|old| old.metadata.clone());
        let (outcome, metadata) =
            self.next_meta(Kind::Configuration, key.clone(), old_meta.as_ref(), meta, same_spec);
        if outcome == Outcome::Unchanged {
            return outcome;
        }
        let object = Configuration { metadata, template, owned };
        match self.configurations.get_mut(key) {
            Some(record) => record.object = object,
            None => {
                let record = ConfigurationRecord {
                    object,
                    latest_created: None,
                    latest_ready: None,
                    revisions: Vec::new(),
                    ready: Mark::new(now),
                };
                self.configurations.insert(key.clone(), Box::new(record));
            }
        }
        self.touch(Kind::Configuration, key);
        if !same_spec {
            self.stamp(key, now);
        }
        outcome
    }

    /// Stores a Route; the caller reconciles it.
    fn put_route(
        &mut self,
        key: &Key,
        meta: &Meta,
        traffic: Arc<[TrafficTarget]>,
        owner: RouteOwner,
        now: SystemTime,
    ) -> Outcome {
        let old = self.routes.get(key).map(|record| &record.object);
        let same_spec = old.is_some_and(|old| old.traffic == traffic);
        let old_meta = old.map(|old| old.metadata.clone());
        let (outcome, metadata) =
            self.next_meta(Kind::Route, key.clone(), old_meta.as_ref(), meta, same_spec);
        if outcome == Outcome::Unchanged {
            return outcome;
        }
        let object = Route { metadata, traffic, owner };
        match self.routes.remove(key) {
            Some(mut record) => {
                self.unfollow_all(key, &record);
                record.object = object;
                self.routes.insert(key.clone(), record);
            }
            None => {
                let record = RouteRecord {
                    object,
                    served: Box::default(),
                    holds: Box::default(),
                    ingress: None,
                    rollouts: None,
                    assigned: Mark::new(now),
                    programmed: Mark::new(now),
                };
                self.routes.insert(key.clone(), Box::new(record));
            }
        }
        self.follow_all(key);
        self.touch(Kind::Route, key);
        outcome
    }

    fn reconcile_mappings_of(&mut self, key: &Key, now: SystemTime) {
        for mapping in self.followers_of(Kind::Service, key) {
            self.reconcile_mapping(&mapping, now);
        }
    }
}

fn owned(kind: Kind, key: &Key, checks: &mut Checks) {
    let message = format!("{kind} {:?} belongs to the Service of that name: change the Service", key.name);
    checks.error(message, &Path::Root.field("metadata").field("name"));
}
