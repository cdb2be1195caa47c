//! The object store and what follows from it: Services make Configurations and Routes, Configurations make Revisions,
//! Routes make KIngresses. Knows nothing of files, clients, xDS or processes; time is an argument.
//!
//! Every call costs what the object it names costs, never what the store holds.

mod apply;
mod change;
mod claims;
mod config;
mod configuration;
mod diff;
mod follow;
mod generation;
mod ingresses;
mod mapping;
mod mark;
mod record;
mod route;
mod snapshot;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use forebay_base::tree::Tree;

pub use change::{Applied, Changes, Note, Outcome, RevisionChange, Severity};
pub use config::Config;
pub use snapshot::Stored;
pub use view::{ServiceView, TrafficView};

use crate::api::{Kind, Revision, RevisionState, Service, Uid};
use crate::field_error::{FieldError, Invalid};
use crate::ingress::Ingress;
use crate::key::{Key, RevisionKey};
use crate::manifest::Object;
use crate::translate::Words;
use claims::Claims;
use ingresses::Ingresses;
use record::{ConfigurationRecord, MappingRecord, RevisionRecord, RouteRecord};

/// All objects. See the module.
#[derive(Debug)]
pub struct World {
    config: Config,
    words: Words,
    /// The last resource version given out.
    version: u64,
    namespaces: BTreeSet<Arc<str>>,
    // Boxed, so that little is moved when a tree packs itself.
    services: Tree<Key, Box<Service>>,
    configurations: Tree<Key, Box<ConfigurationRecord>>,
    routes: Tree<Key, Box<RouteRecord>>,
    revisions: Tree<RevisionKey, Box<RevisionRecord>>,
    mappings: BTreeMap<Key, Box<MappingRecord>>,
    ingresses: Ingresses,
    /// Routes by the revision they name, and by the configuration they name if it has another name than theirs.
    followers: BTreeMap<(Kind, Key), BTreeSet<Arc<str>>>,
    claims: Claims,
    /// When Routes take the next step of their rollouts.
    timers: BTreeSet<(SystemTime, Key)>,
    changed: Changed,
}

/// What [`World::take_changes`] has to look at.
#[derive(Debug, Default)]
struct Changed {
    revisions: BTreeSet<RevisionKey>,
    ingresses: BTreeSet<(Kind, Key)>,
    touched: BTreeSet<(Kind, Key)>,
    notes: Vec<Note>,
}

impl World {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            words: Words::default(),
            version: 0,
            namespaces: BTreeSet::new(),
            services: Tree::new(),
            configurations: Tree::new(),
            routes: Tree::new(),
            revisions: Tree::new(),
            mappings: BTreeMap::new(),
            ingresses: Ingresses::default(),
            followers: BTreeMap::new(),
            claims: Claims::default(),
            timers: BTreeSet::new(),
            changed: Changed::default(),
        }
    }

    /// Defaults, validates and stores one object, and reconciles what follows from it. Nothing changes on an error.
    pub fn apply(&mut self, object: Object, now: SystemTime) -> Result<Applied, Invalid> {
        let Some(draft) = object.into_draft() else {
            let message = "cannot be read again".to_owned();
            return Err(Invalid(vec![FieldError { message, paths: Vec::new(), details: String::new() }]));
        };
        self.apply_draft(draft, now)
    }

    /// Deletes an object and what it owns. False if there was none, or it belongs to another object.
    pub fn delete(&mut self, kind: Kind, key: &Key, now: SystemTime) -> bool {
        let owned_by_nobody = match kind {
            Kind::Service => self.services.remove(key).is_some(),
            Kind::Configuration => self.configurations.get(key).is_some_and(|record| !record.object.owned),
            Kind::Route => self.routes.get(key).is_some_and(|record| record.service().is_none()),
            Kind::DomainMapping => self.mappings.contains_key(key),
            Kind::Revision => false,
        };
        if !owned_by_nobody {
            return false;
        }
        self.touch(kind, key);
        match kind {
            Kind::DomainMapping => self.delete_mapping(key, now),
            Kind::Route => self.delete_route(key, now),
            Kind::Configuration => self.delete_configuration(key, now),
            Kind::Service => {
                self.delete_route(key, now);
                self.delete_configuration(key, now);
            }
            Kind::Revision => {}
        }
        true
    }

    /// What the platform has to say of a revision. Once ready it stays ready: scaled to zero is ready.
    pub fn set_revision_state(&mut self, key: &RevisionKey, state: RevisionState, now: SystemTime) {
        let Some(record) = self.revisions.get_mut(key) else { return };
        let object = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&key.name) };
        if record.state == RevisionState::Ready {
            if let RevisionState::Failed { message, .. } = state {
                let message = format!("failed after it was ready, and stays in traffic: {message}");
                self.note(Kind::Revision, &object, Severity::Warning, message);
            }
            return;
        }
        if record.state == state {
            return;
        }
        if let RevisionState::Failed { reason, message } = &state {
            let message = format!("{reason}: {message}");
            (record.state, record.since) = (state, now.into());
            self.note(Kind::Revision, &object, Severity::Warning, message);
        } else {
            (record.state, record.since) = (state, now.into());
        }
        self.changed.revisions.insert(key.clone());
        self.touch(Kind::Revision, &object);
        self.revision_moved(key, now);
    }

    /// Takes the steps of gradual rollouts that are due. Returns when the next one is.
    pub fn tick(&mut self, now: SystemTime) -> Option<SystemTime> {
        while let Some((due, _)) = self.timers.first() {
            if *due > now {
                return Some(*due);
            }
            if let Some((_, route)) = self.timers.pop_first() {
                self.reconcile_route(&route, now);
            }
        }
        None
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        self.take_some_changes(usize::MAX)
    }

    /// The same in parts of so many revisions and KIngresses, revisions first: KIngresses are kept packed, and thousands at
    /// once would take ten times as much. The last part is smaller than `most`, and has the rest.
    pub fn take_some_changes(&mut self, most: usize) -> Changes {
        let mut changed = Changed::default();
        while changed.revisions.len() < most
            && let Some(key) = self.changed.revisions.pop_first()
        {
            changed.revisions.insert(key);
        }
        while changed.revisions.len() + changed.ingresses.len() < most
            && let Some(key) = self.changed.ingresses.pop_first()
        {
            changed.ingresses.insert(key);
        }
        if changed.revisions.len() + changed.ingresses.len() < most {
            (changed.touched, changed.notes) =
                (std::mem::take(&mut self.changed.touched), std::mem::take(&mut self.changed.notes));
        }
        let revisions = changed.revisions.into_iter().map(|key| match self.revisions.get(&key) {
            Some(record) => RevisionChange {
                key,
                revision: Some(Arc::clone(&record.object)),
                reachable: record.holders > 0,
                state: record.state.clone(),
            },
            None => RevisionChange { key, revision: None, reachable: false, state: RevisionState::Starting },
        });
        let ingresses = changed.ingresses.into_iter().map(|(kind, key)| {
            let ingress = self.ingress(kind, &key);
            (key, ingress)
        });
        Changes {
            revisions: revisions.collect(),
            ingresses: ingresses.collect(),
            touched: changed.touched.into_iter().collect(),
            notes: changed.notes,
        }
    }

    /// The KIngress that stands for a Route or a DomainMapping.
    pub fn ingress(&self, kind: Kind, key: &Key) -> Option<Ingress> {
        let kept = match kind {
            Kind::Route => self.routes.get(key)?.ingress.as_ref(),
            Kind::DomainMapping => self.mappings.get(key)?.ingress.as_ref(),
            Kind::Service | Kind::Configuration | Kind::Revision => None,
        };
        self.ingresses.get(kept?)
    }

    /// Every Revision with its state, by name.
    pub fn revisions(&self) -> impl Iterator<Item = (&RevisionKey, &Arc<Revision>, &RevisionState)> + '_ {
        self.revisions.iter().map(|(key, record)| (key, &record.object, &record.state))
    }

    /// Objects applied from outside (not made by another object), for a source to compare with what it sees.
    pub fn roots(&self) -> impl Iterator<Item = (Kind, &Key)> + '_ {
        let services = self.services.keys().map(|key| (Kind::Service, key));
        let configurations = self.configurations.iter().filter(|(_, record)| !record.object.owned);
        let routes = self.routes.iter().filter(|(_, record)| record.service().is_none());
        services
            .chain(configurations.map(|(key, _)| (Kind::Configuration, key)))
            .chain(routes.map(|(key, _)| (Kind::Route, key)))
            .chain(self.mappings.keys().map(|key| (Kind::DomainMapping, key)))
    }

    /// The key with its namespace shared by all who live in it.
    fn intern(&mut self, key: Key) -> Key {
        let namespace = match self.namespaces.get(&key.namespace) {
            Some(known) => Arc::clone(known),
            None => {
                self.namespaces.insert(Arc::clone(&key.namespace));
                key.namespace
            }
        };
        Key { namespace, name: key.name }
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// An identity for an object that begins to be: of its kind, name and first version, so that time and chance are not
    /// needed.
    fn new_uid(kind: Kind, key: &Key, version: u64) -> Uid {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(format!("{kind} {key} {version}"));
        let id = digest.iter().take(16).fold(0u128, |id, byte| id << 8 | u128::from(*byte));
        // Version 8, variant 1 of RFC 9562: "made as the maker sees fit".
        Uid(id & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62)
    }

    /// Notes that an object's stored form or status changed.
    fn touch(&mut self, kind: Kind, key: &Key) {
        self.version += 1;
        self.changed.touched.insert((kind, key.clone()));
    }

    /// Notes that the status of the Service of this name, if there is one, changed with that of a part of it.
    fn touch_service(&mut self, key: &Key) {
        if self.services.contains_key(key) {
            self.changed.touched.insert((Kind::Service, key.clone()));
        }
    }

    fn note(&mut self, kind: Kind, key: &Key, severity: Severity, message: String) {
        self.changed.notes.push(Note { kind, key: key.clone(), severity, message });
    }
}
