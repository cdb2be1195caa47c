//! Who depends on whom: which objects to ask again when one changes, and which revisions a Route keeps reachable.
//! Knows nothing of what is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::World;
use super::record::RouteRecord;
use crate::api::{Kind, Reference};
use crate::key::{Key, RevisionKey};

impl World {
    /// Who has to be asked again when `key` changes: Routes for a Configuration or Revision, DomainMappings for a Service
    /// or Route.
    pub(super) fn followers_of(&self, kind: Kind, key: &Key) -> Vec<Key> {
        let named = self.followers.get(&(kind, key.clone())).into_iter().flatten();
        let mut followers: Vec<Key> =
            named.map(|name| Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(name) }).collect();
        if kind == Kind::Configuration && self.routes.contains_key(key) {
            followers.push(key.clone());
        }
        followers
    }

    pub(super) fn follow(&mut self, kind: Kind, leader: Key, follower: &Arc<str>) {
        self.followers.entry((kind, leader)).or_default().insert(Arc::clone(follower));
    }

    pub(super) fn unfollow(&mut self, kind: Kind, leader: &Key, follower: &Arc<str>) {
        let entry = (kind, leader.clone());
        if let Some(followers) = self.followers.get_mut(&entry) {
            followers.remove(follower);
            if followers.is_empty() {
                self.followers.remove(&entry);
            }
        }
    }

    /// What a Route has to be told of. The Configuration of its own name is always among it and needs no entry.
    fn leaders(key: &Key, record: &RouteRecord) -> Vec<(Kind, Key)> {
        let of = |name: &Arc<str>| Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(name) };
        let targets = record.object.traffic.iter().filter_map(|target| match &target.to {
            Reference::Revision(name) => Some((Kind::Revision, of(name))),
            Reference::Latest(name) if *name == key.name => None,
            Reference::Latest(name) => Some((Kind::Configuration, of(name))),
        });
        targets.collect()
    }

    pub(super) fn follow_all(&mut self, key: &Key) {
        let Some(record) = self.routes.get(key) else { return };
        for (kind, leader) in Self::leaders(key, record) {
            self.follow(kind, leader, &key.name);
        }
    }

    pub(super) fn unfollow_all(&mut self, key: &Key, record: &RouteRecord) {
        for (kind, leader) in Self::leaders(key, record) {
            self.unfollow(kind, &leader, &key.name);
        }
    }

    /// Which revisions this Route keeps reachable: those it names, those it serves, and the newest ones of the
    /// configurations it follows.
    pub(super) fn update_holds(&mut self, key: &Key) {
        let Some(record) = self.routes.get(key) else { return };
        let mut holds: BTreeSet<Arc<str>> = record.served.iter().map(|s| Arc::clone(&s.revision)).collect();
        for target in record.object.traffic.iter() {
            match &target.to {
                Reference::Revision(name) => {
                    holds.insert(Arc::clone(name));
                }
                Reference::Latest(name) => {
                    let configuration = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(name) };
                    let created =
                        self.configurations.get(&configuration).and_then(|c| c.latest_created.clone());
                    holds.extend(created);
                }
            }
        }
        let holds: Box<[Arc<str>]> =
            holds.into_iter().filter(|name| self.revision(&key.namespace, name).is_some()).collect();
        self.hold(key, holds);
    }

    pub(super) fn hold(&mut self, key: &Key, holds: Box<[Arc<str>]>) {
        let Some(record) = self.routes.get_mut(key) else { return };
        if record.holds == holds {
            return;
        }
        let before = std::mem::replace(&mut record.holds, holds.clone());
        self.count(key, holds.iter().filter(|name| !before.contains(name)), 1);
        self.count(key, before.iter().filter(|name| !holds.contains(name)), -1);
    }

    fn count<'a>(&mut self, key: &Key, names: impl Iterator<Item = &'a Arc<str>>, by: i32) {
        for name in names {
            let revision = RevisionKey { namespace: Arc::clone(&key.namespace), name: Arc::clone(name) };
            let Some(record) = self.revisions.get_mut(&revision) else { continue };
            let was_held = record.holders > 0;
            record.holders = record.holders.saturating_add_signed(by);
            if was_held != (record.holders > 0) {
                self.changed.revisions.insert(revision);
            }
        }
    }
}
