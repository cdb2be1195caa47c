//! Who holds which host: the first to claim it, until it lets go. Knows nothing of KIngresses.
//!
//! A Route holds the hosts of its own name by being there; only tags and mapped domains need writing down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::Kind;
use crate::hosts;
use crate::key::Key;
use crate::world::Config;

/// Who may hold a host: a [`Kind::Route`] or a [`Kind::DomainMapping`].
pub(super) type Claimant = (Kind, Key);

#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Hosts of tags, by namespace and `<tag>-<route>`: the Route's name.
    tags: BTreeMap<Key, Arc<str>>,
    /// The tags each Route holds hosts of.
    tags_of: BTreeMap<Key, BTreeSet<Arc<str>>>,
    /// Mapped domains: the DomainMapping's namespace.
    mapped: BTreeMap<Arc<str>, Arc<str>>,
    /// Who lost to whom, and wants to know when that one lets go.
    waiting: BTreeMap<Claimant, BTreeSet<Claimant>>,
}

/// A host that is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) host: String,
    pub(super) winner: Claimant,
}

impl Claims {
    /// Claims all hosts of a Route with these tags, or none. `is_route` tells whether there is a Route of that key.
    pub(super) fn claim_route(
        &mut self,
        route: &Key,
        tags: &BTreeSet<Arc<str>>,
        config: &Config,
        is_route: impl Fn(&Key) -> bool,
    ) -> Result<(), Conflict> {
        let own = std::iter::once(Arc::clone(&route.name));
        let names = own.chain(tags.iter().map(|tag| hosts::hostname(&route.name, Some(tag)).into()));
        let places: Vec<Key> =
            names.map(|name| Key { namespace: Arc::clone(&route.namespace), name }).collect();
        for place in &places {
            let holder = match self.tags.get(place) {
                Some(name) => Some(Key { namespace: Arc::clone(&place.namespace), name: Arc::clone(name) }),
                None => (place != route && is_route(place)).then(|| place.clone()),
            };
            if let Some(holder) = holder.filter(|holder| holder != route) {
                let host = hosts::shown(&place.name, &place.namespace, false, config);
                return Err(Conflict { host, winner: (Kind::Route, holder) });
            }
            if let Some((host, namespace)) = self.mapped_among(place, config) {
                let winner = Key { namespace: Arc::clone(namespace), name: Arc::clone(host) };
                return Err(Conflict { host: host.to_string(), winner: (Kind::DomainMapping, winner) });
            }
        }
        self.hold_tags(route, tags);
        Ok(())
    }

    /// Takes the hosts of these tags without asking: they were checked, or held before a restart.
    pub(super) fn hold_tags(&mut self, route: &Key, tags: &BTreeSet<Arc<str>>) {
        for tag in tags {
            let name = hosts::hostname(&route.name, Some(tag)).into();
            self.tags.insert(Key { namespace: Arc::clone(&route.namespace), name }, Arc::clone(&route.name));
        }
        if !tags.is_empty() {
            self.tags_of.entry(route.clone()).or_default().extend(tags.iter().cloned());
        }
    }

    fn mapped_among(&self, place: &Key, config: &Config) -> Option<(&Arc<str>, &Arc<str>)> {
        if self.mapped.is_empty() {
            return None;
        }
        let public = hosts::public(&place.name, &place.namespace, config);
        let local = hosts::local(&place.name, &place.namespace, config);
        public.iter().chain(&local).find_map(|host| self.mapped.get_key_value(host))
    }

    /// Lets go of the hosts of all tags but `kept`; true if there were any.
    pub(super) fn release_tags(&mut self, route: &Key, kept: &BTreeSet<Arc<str>>) -> bool {
        let Some(held) = self.tags_of.remove(route) else { return false };
        let (kept, gone): (BTreeSet<_>, BTreeSet<_>) = held.into_iter().partition(|tag| kept.contains(tag));
        for tag in &gone {
            let name = hosts::hostname(&route.name, Some(tag)).into();
            self.tags.remove(&Key { namespace: Arc::clone(&route.namespace), name });
        }
        if !kept.is_empty() {
            self.tags_of.insert(route.clone(), kept);
        }
        !gone.is_empty()
    }

    /// Claims a domain for its mapping.
    pub(super) fn claim_domain(
        &mut self,
        mapping: &Key,
        config: &Config,
        is_route: impl Fn(&Key) -> bool,
    ) -> Result<(), Conflict> {
        let conflict = |winner| Conflict { host: mapping.name.to_string(), winner };
        if let Some((host, namespace)) = self.mapped.get_key_value(&mapping.name) {
            if *namespace == mapping.namespace {
                return Ok(());
            }
            let winner = Key { namespace: Arc::clone(namespace), name: Arc::clone(host) };
            return Err(conflict((Kind::DomainMapping, winner)));
        }
        if let Some((name, namespace)) = hosts::parse(&mapping.name, config) {
            let place = Key::new(namespace, name);
            if let Some(route) = self.tags.get(&place) {
                let winner = Key { namespace: place.namespace, name: Arc::clone(route) };
                return Err(conflict((Kind::Route, winner)));
            }
            if is_route(&place) {
                return Err(conflict((Kind::Route, place)));
            }
        }
        self.hold_domain(mapping);
        Ok(())
    }

    /// Takes the domain without asking: it was checked, or held before a restart.
    pub(super) fn hold_domain(&mut self, mapping: &Key) {
        self.mapped.insert(Arc::clone(&mapping.name), Arc::clone(&mapping.namespace));
    }

    pub(super) fn release_domain(&mut self, mapping: &Key) {
        if self.mapped.get(&mapping.name) == Some(&mapping.namespace) {
            self.mapped.remove(&mapping.name);
        }
    }

    pub(super) fn wait(&mut self, loser: Claimant, winner: Claimant) {
        self.waiting.entry(winner).or_default().insert(loser);
    }

    /// Who lost to one that let go.
    pub(super) fn losers(&mut self, winner: &Claimant) -> BTreeSet<Claimant> {
        if self.waiting.is_empty() {
            BTreeSet::new()
        } else {
            self.waiting.remove(winner).unwrap_or_default()
        }
    }
}
