//! The world as it is written down and read back, object by object. Knows nothing of files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::mark::Verdict;
use super::record::{ConfigurationRecord, MappingRecord, RevisionRecord, RouteRecord};
use super::{Config, World};
use crate::api::{Kind, ObjectMeta, Reference, RevisionState, Service};
use crate::ingress::Ingress;
use crate::key::{Key, RevisionKey};

/// One object with what is known of it. Opaque: written and read with serde.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored(Record);

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Record {
    Service(Box<Service>),
    Configuration(Box<ConfigurationRecord>),
    Route(Served<RouteRecord>),
    Revision(Box<RevisionRecord>),
    DomainMapping(Served<MappingRecord>),
}

/// A record with the KIngress that stands for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Served<R> {
    #[serde(flatten)]
    record: Box<R>,
    ingress: Option<Ingress>,
}

impl World {
    /// Every object. Costs what there is; [`World::stored`] is for what changed.
    pub fn snapshot(&self) -> Vec<Stored> {
        let services = self.services.keys().map(|key| (Kind::Service, key.clone()));
        let configurations = self.configurations.keys().map(|key| (Kind::Configuration, key.clone()));
        let routes = self.routes.keys().map(|key| (Kind::Route, key.clone()));
        let mappings = self.mappings.keys().map(|key| (Kind::DomainMapping, key.clone()));
        let revisions = self.revisions.keys().map(|key| {
            (Kind::Revision, Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&key.name) })
        });
        let all = services.chain(configurations).chain(routes).chain(revisions).chain(mappings);
        all.filter_map(|(kind, key)| self.stored(kind, &key)).collect()
    }

    /// One object as it is to be written down; none if it is gone. [`super::Changes::touched`] tells which to write.
    pub fn stored(&self, kind: Kind, key: &Key) -> Option<Stored> {
        let record = match kind {
            Kind::Service => Record::Service(self.services.get(key)?.clone()),
            Kind::Configuration => Record::Configuration(self.configurations.get(key)?.clone()),
            Kind::Route => {
                let record = self.routes.get(key)?.clone();
                Record::Route(Served { record, ingress: self.ingress(kind, key) })
            }
            Kind::Revision => Record::Revision(self.revisions.get(&key.clone().into_revision())?.clone()),
            Kind::DomainMapping => {
                let record = self.mappings.get(key)?.clone();
                Record::DomainMapping(Served { record, ingress: self.ingress(kind, key) })
            }
        };
        Some(Stored(record))
    }

    /// A world as it was. Everything in it is in the first [`World::take_changes`]. What was ready is ready; what was
    /// starting or had failed starts anew. Objects whose owner is not there are left out.
    ///
    /// The last resource version given out is the greatest that any of them has.
    pub fn restore(config: Config, objects: impl IntoIterator<Item = Stored>, now: SystemTime) -> Self {
        let mut world = Self::new(config);
        for Stored(record) in objects {
            world.put_back(record);
        }
        world.drop_orphans();
        world.share_again();
        world.settle_all(now);
        world
    }
}

impl World {
    /// The key of an object read back, with its namespace shared.
    fn keep(&mut self, metadata: &mut ObjectMeta) -> Key {
        self.version = self.version.max(metadata.resource_version);
        let key =
            self.intern(Key { namespace: Arc::clone(&metadata.namespace), name: Arc::clone(&metadata.name) });
        metadata.namespace = Arc::clone(&key.namespace);
        key
    }

    fn put_back(&mut self, record: Record) {
        match record {
            Record::Service(mut service) => {
                let key = self.keep(&mut service.metadata);
                self.services.insert(key, service);
            }
            Record::Configuration(mut record) => {
                let key = self.keep(&mut record.object.metadata);
                // A list that was read has room for four.
                record.revisions.shrink_to_fit();
                self.configurations.insert(key, record);
            }
            Record::Route(Served { mut record, ingress }) => {
                let key = self.keep(&mut record.object.metadata);
                ingress.iter().for_each(|ingress| _ = self.ingresses.replace(&mut record.ingress, ingress));
                self.routes.insert(key, record);
            }
            Record::DomainMapping(Served { mut record, ingress }) => {
                let key = self.keep(&mut record.object.metadata);
                ingress.iter().for_each(|ingress| _ = self.ingresses.replace(&mut record.ingress, ingress));
                self.mappings.insert(key, record);
            }
            Record::Revision(mut record) => {
                let key = self.keep(&mut Arc::make_mut(&mut record.object).metadata);
                if record.state != RevisionState::Ready {
                    record.state = RevisionState::Starting;
                }
                self.revisions.insert(key.into_revision(), record);
            }
        }
    }

    /// A crash may have left a part of what belongs together.
    fn drop_orphans(&mut self) {
        let Self { services, configurations, routes, revisions, .. } = self;
        services.retain(|key, _| configurations.contains_key(key) && routes.contains_key(key));
        configurations.retain(|key, record| !record.object.owned || services.contains_key(key));
        routes.retain(|key, record| record.service().is_none() || services.contains_key(key));
        revisions.retain(|key, record| {
            let configuration =
                Key::new(Arc::clone(&key.namespace), Arc::clone(&record.object.configuration));
            configurations.get(&configuration).is_some_and(|record| record.revisions.contains(&key.name))
        });
        for (key, record) in configurations {
            let is_there = |name: &Arc<str>| {
                revisions.contains_key(&RevisionKey::new(Arc::clone(&key.namespace), Arc::clone(name)))
            };
            record.revisions.retain(is_there);
            record.latest_created = record.latest_created.take().filter(is_there);
            record.latest_ready = record.latest_ready.take().filter(is_there);
        }
    }

    /// What was one text in memory is one text again.
    fn share_again(&mut self) {
        let Self { services, configurations, routes, revisions, .. } = self;
        for (key, service) in services.iter_mut() {
            // Nobody else has it yet.
            for target in Arc::get_mut(&mut service.spec.traffic).into_iter().flatten() {
                match &mut target.to {
                    Reference::Latest(name) if *name == key.name => *name = Arc::clone(&key.name),
                    Reference::Latest(_) => {}
                    Reference::Revision(name) => share_revision(revisions, &key.namespace, name),
                }
            }
        }
        for (key, record) in configurations.iter_mut() {
            let ConfigurationRecord { object, latest_created, latest_ready, revisions: all, .. } =
                &mut **record;
            for name in all.iter_mut().chain(latest_created).chain(latest_ready) {
                share_revision(revisions, &key.namespace, name);
            }
            object.metadata.name = Arc::clone(&key.name);
            if let Some(service) =
                services.get(key).filter(|service| *service.spec.template == *object.template)
            {
                object.template = Arc::clone(&service.spec.template);
            }
        }
        for (key, record) in routes.iter_mut() {
            let object = &mut record.object;
            object.metadata.name = Arc::clone(&key.name);
            if let Some(service) = services.get(key).filter(|service| service.spec.traffic == object.traffic)
            {
                object.traffic = Arc::clone(&service.spec.traffic);
            }
        }
        for (key, record) in revisions.iter_mut() {
            let revision = Arc::make_mut(&mut record.object);
            revision.metadata.name = Arc::clone(&key.name);
            let configuration = Key::new(Arc::clone(&key.namespace), Arc::clone(&revision.configuration));
            let Some((configuration, record)) = configurations.get_key_value(&configuration) else {
                continue;
            };
            revision.configuration = Arc::clone(&configuration.name);
            if revision.service.is_some() {
                revision.service = Some(Arc::clone(&configuration.name));
            }
            let template = &record.object.template;
            if revision.spec == template.spec {
                revision.spec = Arc::clone(&template.spec);
            }
            if revision.metadata.annotations == template.annotations {
                revision.metadata.annotations = template.annotations.clone();
            }
        }
    }

    /// Everything is computed anew, after those who held a host have it again.
    fn settle_all(&mut self, now: SystemTime) {
        let routes: Vec<Key> = self.routes.keys().cloned().collect();
        for key in &routes {
            self.follow_all(key);
        }
        let mappings: Vec<(Key, Key)> = self
            .mappings
            .iter()
            .map(|(key, record)| {
                (key.clone(), Key::new(Arc::clone(&key.namespace), Arc::clone(&record.object.target)))
            })
            .collect();
        for (mapping, target) in &mappings {
            self.follow(Kind::Service, target.clone(), &mapping.name);
        }
        for (key, record) in &self.routes {
            self.claims.hold_tags(key, &record.tags_held());
        }
        for (key, _) in self.mappings.iter().filter(|(_, record)| record.claimed.verdict == Verdict::True) {
            self.claims.hold_domain(key);
        }
        for key in &routes {
            self.reconcile_route(key, now);
        }
        for (mapping, _) in &mappings {
            self.reconcile_mapping(mapping, now);
        }
        let configurations: Vec<Key> = self.configurations.keys().cloned().collect();
        for key in &configurations {
            self.stamp(key, now);
        }
        let with_ingress = self.routes.iter().filter(|(_, record)| record.ingress.is_some());
        self.changed.ingresses.extend(with_ingress.map(|(key, _)| (Kind::Route, key.clone())));
        let with_ingress = self.mappings.iter().filter(|(_, record)| record.ingress.is_some());
        self.changed.ingresses.extend(with_ingress.map(|(key, _)| (Kind::DomainMapping, key.clone())));
        self.changed.revisions.extend(self.revisions.keys().cloned());
        self.changed.notes.clear();
    }
}

/// The revision's own text for its name, if there is such a revision.
fn share_revision(
    revisions: &BTreeMap<RevisionKey, Box<RevisionRecord>>,
    namespace: &Arc<str>,
    name: &mut Arc<str>,
) {
    let key = RevisionKey { namespace: Arc::clone(namespace), name: Arc::clone(name) };
    if let Some((known, _)) = revisions.get_key_value(&key) {
        *name = Arc::clone(&known.name);
    }
}
