//! DomainMappings: a host of the user's own that leads to a Service or Route. Knows nothing of how those are served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::mark::Verdict;
use super::record::{LOST, RouteRecord};
use super::{Severity, World};
use crate::api::Kind;
use crate::key::Key;
use crate::translate;

/// There is such a Route, and its hosts are its own.
pub(super) fn holds(routes: &BTreeMap<Key, Box<RouteRecord>>, route: &Key) -> bool {
    routes.get(route).is_some_and(|record| record.has_hosts())
}

impl World {
    pub(super) fn reconcile_mapping(&mut self, key: &Key, now: SystemTime) {
        if !self.mappings.contains_key(key) {
            return;
        }
        let claim = self.claims.claim_domain(key, &self.config, |route| holds(&self.routes, route));
        let claimed = match claim {
            Ok(()) => Verdict::True,
            Err(conflict) => {
                self.claims.wait((Kind::DomainMapping, key.clone()), conflict.winner.clone());
                self.lost(&conflict)
            }
        };
        let Some(record) = self.mappings.get(key) else { return };
        let target = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&record.object.target) };
        let (found, plural) = match record.object.target_kind {
            Kind::Route => (self.routes.contains_key(&target), "routes"),
            _ => (self.services.contains_key(&target), "services"),
        };
        let resolved = if found {
            Verdict::True
        } else {
            Verdict::wrong(
                "ResolveFailed",
                format!("{plural}.serving.knative.dev {:?} not found", target.name),
            )
        };
        let is_good = (claimed == Verdict::True, found) == (true, true);
        let ingress = is_good.then(|| {
            let annotations = &record.object.metadata.annotations;
            translate::mapping(key, annotations, &target.name, &self.config, &self.words)
        });
        let Some(record) = self.mappings.get_mut(key) else { return };
        let why = claimed.why().or(resolved.why()).map(|why| why.message.to_string());
        let told = record.claimed.set(claimed, now) | record.resolved.set(resolved, now);
        // As with Routes, what worked goes on until there is something better.
        if ingress.is_some_and(|ingress| self.ingresses.replace(&mut record.ingress, &ingress)) {
            self.changed.ingresses.insert((Kind::DomainMapping, key.clone()));
        }
        if told {
            self.touch(Kind::DomainMapping, key);
            if let Some(why) = why {
                self.note(Kind::DomainMapping, key, Severity::Warning, why);
            }
        }
    }

    pub(super) fn delete_mapping(&mut self, key: &Key, now: SystemTime) {
        let Some(record) = self.mappings.remove(key) else { return };
        let target = Key { namespace: Arc::clone(&key.namespace), name: Arc::clone(&record.object.target) };
        self.unfollow(Kind::Service, &target, &key.name);
        self.claims.release_domain(key);
        if record.ingress.is_some() {
            self.changed.ingresses.insert((Kind::DomainMapping, key.clone()));
        }
        self.let_go(&(Kind::DomainMapping, key.clone()), now);
    }

    /// Asks all again who lost a host to one that let go of some.
    pub(super) fn let_go(&mut self, winner: &super::claims::Claimant, now: SystemTime) {
        for (kind, key) in self.claims.losers(winner) {
            match kind {
                Kind::DomainMapping => self.reconcile_mapping(&key, now),
                _ => self.reconcile_route(&key, now),
            }
        }
    }

    /// How it is said that a host is somebody else's.
    pub(super) fn lost(&self, conflict: &super::claims::Conflict) -> Verdict {
        let (kind, winner) = &conflict.winner;
        let kind = match self.routes.get(winner) {
            Some(route) if *kind == Kind::Route && route.service().is_some() => Kind::Service,
            _ => *kind,
        };
        let message =
            format!("The host {:?} is already claimed by {kind} {:?}.", conflict.host, winner.to_string());
        Verdict::wrong(LOST, message)
    }
}
