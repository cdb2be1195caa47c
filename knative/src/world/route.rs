//! Routes: from targets to a KIngress, and which revisions that keeps reachable. The last good KIngress stays until there
//! is a better one. Knows nothing of how shares, steps and rules are computed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::mapping::holds;
use super::mark::Verdict;
use super::{Severity, World};
use crate::admit::{Signed, parse_duration};
use crate::api::{Kind, Pairs, RevisionState};
use crate::key::{Key, RevisionKey};
use crate::rollout::{Part, Rollout, Rollouts, Steps};
use crate::traffic::{self, ConfigurationFacts, Group, Lookup, Readiness, RevisionFacts, Served, Unresolved};
use crate::translate::Plan;
use crate::words;

/// The objects of one namespace, as traffic resolution sees them.
struct Facts<'w> {
    world: &'w World,
    namespace: &'w Arc<str>,
}

impl Lookup for Facts<'_> {
    fn configuration(&self, name: &str) -> Option<ConfigurationFacts> {
        let key = Key { namespace: Arc::clone(self.namespace), name: name.into() };
        let record = self.world.configurations.get(&key)?;
        let failed = matches!(record.ready.verdict, Verdict::False(_));
        Some(ConfigurationFacts { latest_ready: record.latest_ready.clone(), failed })
    }

    fn revision(&self, name: &str) -> Option<RevisionFacts> {
        let key = RevisionKey { namespace: Arc::clone(self.namespace), name: name.into() };
        let (key, record) = self.world.revisions.get_key_value(&key)?;
        Some(RevisionFacts {
            name: Arc::clone(&key.name),
            configuration: Arc::clone(&record.object.configuration),
            service: record.object.service.clone(),
            protocol: record.object.spec.protocol(),
            readiness: match record.state {
                RevisionState::Starting => Readiness::Unknown,
                RevisionState::Ready => Readiness::Ready,
                RevisionState::Failed { .. } => Readiness::Failed,
            },
        })
    }
}

/// Only its own cluster, or machine, may reach it.
pub(super) fn is_local(labels: &Pairs) -> bool {
    labels.get(words::VISIBILITY).is_some_and(|value| value == words::CLUSTER_LOCAL)
}

fn tags_of(served: &[Served]) -> BTreeSet<Arc<str>> {
    served.iter().filter_map(|served| served.tag.clone()).collect()
}

impl World {
    pub(super) fn reconcile_route(&mut self, key: &Key, now: SystemTime) {
        let Some(record) = self.routes.get(key) else { return };
        let had_hosts = record.has_hosts();
        let wanted: BTreeSet<Arc<str>> =
            record.object.traffic.iter().filter_map(|target| target.tag.clone()).collect();
        // What is served stays claimed until something else is.
        let held: BTreeSet<Arc<str>> = wanted.union(&tags_of(&record.served)).cloned().collect();
        let claim = self.claims.claim_route(key, &held, &self.config, |route| holds(&self.routes, route));
        let facts = Facts { world: self, namespace: &key.namespace };
        let groups = traffic::resolve(&record.object.traffic, record.service().map(|name| &**name), &facts);
        let kept = match (claim, groups) {
            (Ok(()), Ok(groups)) => {
                self.program(key, &groups, now);
                wanted
            }
            (Ok(()), Err(unresolved)) => {
                self.hold_on(key, Some(&unresolved), None, now);
                held
            }
            (Err(conflict), groups) => {
                self.claims.wait((Kind::Route, key.clone()), conflict.winner.clone());
                let lost = self.lost(&conflict);
                let serves = record.ingress.is_some();
                self.hold_on(key, groups.err().as_ref(), Some(lost), now);
                // All or nothing: who lacks one host and serves none keeps none from others.
                if serves { held } else { BTreeSet::new() }
            }
        };
        let gave_up = had_hosts && !self.routes.get(key).is_some_and(|record| record.has_hosts());
        if self.claims.release_tags(key, &kept) | gave_up {
            self.let_go(&(Kind::Route, key.clone()), now);
        }
        self.update_holds(key);
    }

    /// Everything is resolved: makes the KIngress of it, or takes the next step of a rollout.
    fn program(&mut self, key: &Key, groups: &[Group], now: SystemTime) {
        let Some(record) = self.routes.get(key) else { return };
        let annotations = &record.object.metadata.annotations;
        let goal = Rollouts::of(groups);
        let duration = self.rollout_duration(annotations);
        let rollouts = if duration.is_zero() {
            goal
        } else {
            let before = record.rollouts.as_deref().cloned();
            goal.step_from(&before.unwrap_or_else(|| self.rollouts_of(key, &record.served)), duration, now)
        };
        let plan = Plan {
            key,
            annotations,
            is_local: is_local(&record.object.metadata.labels),
            groups,
            rollouts: &rollouts,
            config: &self.config,
            words: &self.words,
        };
        let (ingress, served) = (plan.ingress(), plan.served());
        let is_done = rollouts.is_done();
        let programmed = if is_done {
            Verdict::True
        } else {
            let message = "A gradual rollout of the latest revision(s) is in progress.";
            Verdict::unknown("RolloutInProgress", message)
        };
        let next = rollouts.next_step();
        let Some(record) = self.routes.get_mut(key) else { return };
        if let Some(due) = record.rollouts.take().and_then(|before| before.next_step()) {
            self.timers.remove(&(due, key.clone()));
        }
        if let Some(due) = next {
            self.timers.insert((due, key.clone()));
        }
        record.rollouts = (!is_done).then(|| Box::new(rollouts));
        let moved = record.served != served;
        record.served = served;
        let is_new = self.ingresses.replace(&mut record.ingress, &ingress);
        if is_new {
            self.changed.ingresses.insert((Kind::Route, key.clone()));
        }
        if record.assigned.set(Verdict::True, now) | record.programmed.set(programmed, now) | is_new | moved {
            self.touch(Kind::Route, key);
            self.touch_service(key);
        }
        if moved {
            self.tell_traffic(key);
        }
    }

    /// Something is missing: says so, and leaves what is served as it is.
    fn hold_on(
        &mut self,
        key: &Key,
        unresolved: Option<&Unresolved>,
        lost: Option<Verdict>,
        now: SystemTime,
    ) {
        let Some(record) = self.routes.get_mut(key) else { return };
        let is_failure = lost.is_some() || unresolved.is_some_and(Unresolved::is_failure);
        let assigned = match unresolved {
            None => Verdict::True,
            Some(why) if why.is_failure() => Verdict::wrong(why.reason(), why.to_string()),
            Some(why) => Verdict::unknown(why.reason(), why.to_string()),
        };
        let programmed = match lost {
            Some(lost) => lost,
            None if record.ingress.is_some() && record.rollouts.is_none() => Verdict::True,
            None if record.ingress.is_some() => record.programmed.verdict.clone(),
            None => Verdict::unknown("IngressNotConfigured", "Ingress has not yet been reconciled."),
        };
        let why = programmed.why().filter(|_| matches!(programmed, Verdict::False(_))).or(assigned.why());
        let field = if unresolved.is_some() { "spec.traffic: " } else { "" };
        let message = why.map(|why| format!("{field}{}", why.message));
        if record.assigned.set(assigned, now) | record.programmed.set(programmed, now) {
            self.touch(Kind::Route, key);
            self.touch_service(key);
            if let (true, Some(mut message)) = (is_failure, message) {
                if self.routes.get(key).is_some_and(|record| record.ingress.is_some()) {
                    message.push_str(" Traffic stays as it was.");
                }
                self.note(self.face_of(key), key, Severity::Warning, message);
            }
        }
    }

    /// The kind people know the Route by.
    fn face_of(&self, key: &Key) -> Kind {
        match self.routes.get(key) {
            Some(record) if record.service().is_some() => Kind::Service,
            _ => Kind::Route,
        }
    }

    fn tell_traffic(&mut self, key: &Key) {
        let Some(record) = self.routes.get(key) else { return };
        let main = record.served.iter().filter(|served| served.tag.is_none() && served.percent > 0);
        let shares: Vec<String> =
            main.map(|served| format!("{} {}%", served.revision, served.percent)).collect();
        self.note(self.face_of(key), key, Severity::Info, format!("traffic: {}", shares.join(", ")));
    }

    fn rollout_duration(&self, annotations: &Pairs) -> Duration {
        let annotated = annotations.first(words::ROLLOUT_DURATION).and_then(|(_, text)| parse_duration(text));
        match annotated {
            Some(Signed::Positive(duration)) => duration,
            _ => self.config.rollout_duration,
        }
    }

    /// The state a rollout begins from, read off what is served.
    fn rollouts_of(&self, key: &Key, served: &[Served]) -> Rollouts {
        let mut rollouts = Rollouts::default();
        for served in served.iter().filter(|served| served.latest && served.percent > 0) {
            let Some(revision) = self.revision(&key.namespace, &served.revision) else { continue };
            let part = Part { revision_name: Arc::clone(&served.revision), percent: served.percent };
            let (tag, configuration) =
                (served.tag.clone().unwrap_or_default(), &revision.object.configuration);
            match rollouts
                .configurations
                .iter_mut()
                .find(|r| r.tag == tag && r.configuration_name == *configuration)
            {
                Some(rollout) => {
                    rollout.percent += part.percent;
                    rollout.revisions.push(part);
                }
                None => rollouts.configurations.push(Rollout {
                    configuration_name: Arc::clone(configuration),
                    tag,
                    percent: part.percent,
                    revisions: vec![part],
                    step_params: Steps::default(),
                }),
            }
        }
        rollouts
    }

    pub(super) fn delete_route(&mut self, key: &Key, now: SystemTime) {
        self.hold(key, Box::default());
        let Some(record) = self.routes.remove(key) else { return };
        self.touch(Kind::Route, key);
        self.unfollow_all(key, &record);
        if let Some(due) = record.rollouts.and_then(|rollouts| rollouts.next_step()) {
            self.timers.remove(&(due, key.clone()));
        }
        if record.ingress.is_some() {
            self.changed.ingresses.insert((Kind::Route, key.clone()));
        }
        self.claims.release_tags(key, &BTreeSet::new());
        self.let_go(&(Kind::Route, key.clone()), now);
        for mapping in self.followers_of(Kind::Service, key) {
            self.reconcile_mapping(&mapping, now);
        }
    }
}
