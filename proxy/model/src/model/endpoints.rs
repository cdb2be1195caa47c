//! EDS: who serves a cluster. An endpoint whose address stays is the same object in every version, with its load.

use std::sync::Arc;

use foldhash::HashMap;
use forebay_balance::{Capacity, Endpoint, Endpoints, Gate};
use forebay_base::tree::Tree;
use forebay_proto::envoy::config::endpoint::v3 as pb;
use smallvec::SmallVec;

use super::clusters::breaker;
use super::effects::{Effects, Touched};
use super::held::{Held, Kind};
use super::{Body, Model, key};
use crate::cluster::ClusterConfig;
use crate::read::{self, Assignment, At, Invalid, Member};
use crate::update::Interest;

/// All assignments that some cluster names, by name.
pub(super) struct Assignments {
    entries: Tree<Arc<str>, Entry>,
    touched: Touched,
}

impl Default for Assignments {
    fn default() -> Self {
        Assignments { entries: Tree::new(), touched: Touched::of(Kind::Endpoints) }
    }
}

#[derive(Default)]
struct Entry {
    /// The clusters that name it, as often as they do: one that waits may name it as well as the one in force.
    users: SmallVec<[Arc<str>; 1]>,
    came: Option<Box<Came>>,
}

struct Came {
    held: Held,
    members: Box<[Member]>,
}

impl Assignments {
    /// The members, if the assignment has come.
    pub(super) fn members(&self, name: &str) -> Option<&[Member]> {
        Some(&self.entries.get(name)?.came.as_ref()?.members)
    }

    pub(super) fn join(&mut self, name: &Arc<str>, cluster: &Arc<str>) {
        self.entries.pack();
        let users = &mut self.entries.entry(name.clone()).or_default().users;
        self.touched.was(name, !users.is_empty());
        users.push(cluster.clone());
    }

    pub(super) fn leave(&mut self, name: &Arc<str>, cluster: &str) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        if let Some(at) = entry.users.iter().position(|user| **user == *cluster) {
            self.touched.was(name, true);
            entry.users.swap_remove(at);
        }
    }

    /// What is wanted now and was not, and the other way round.
    pub(super) fn changes(&mut self) -> Option<Interest> {
        let entries = &self.entries;
        self.touched.changes(|name| entries.get(name).is_some_and(|entry| !entry.users.is_empty()))
    }

    /// Name and resource of all that have come.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Arc<str>, &Held)> {
        self.entries.iter().filter_map(|(name, entry)| Some((name, &entry.came.as_ref()?.held)))
    }
}

impl Model {
    pub(super) fn put_endpoints(&mut self, body: Body<'_>, fx: &mut Effects) -> Result<(), Invalid> {
        // What no cluster names is nobody's: state-of-the-world servers send more than was asked for.
        let Some(entry) = self.assignments.entries.get_mut(body.name) else { return Ok(()) };
        if entry
            .came
            .as_mut()
            .is_some_and(|came| came.held.same(body.version, body.bytes, &self.examples.endpoints))
        {
            return Ok(());
        }
        let message: pb::ClusterLoadAssignment = read::decode(&At::ROOT, body.bytes)?;
        body.check_name_at("cluster_name", &message.cluster_name)?;
        let Assignment { members, .. } = read::assignment(&At::ROOT, &message)?;
        let held = Held::packed(body.version, body.bytes, fx.now, &mut self.examples.endpoints);
        let users = users(entry);
        entry.came = Some(Box::new(Came { held, members: members.clone() }));
        for cluster in users {
            self.endpoints_came(&cluster, body.name, &members, fx);
        }
        Ok(())
    }

    /// A server says that there is no such resource. What waits for it goes on without; what has it keeps it, because its
    /// life is that of who names it.
    pub(super) fn absent(&mut self, kind: Kind, name: &str, fx: &mut Effects) {
        match kind {
            Kind::Route if self.routes.table(name).is_none() => self.routes_settled(name, fx),
            Kind::Endpoints => {
                let Some(entry) = self.assignments.entries.get(name).filter(|entry| entry.came.is_none())
                else {
                    return;
                };
                for cluster in users(entry) {
                    self.warm_cluster_empty(&cluster, fx);
                }
            }
            _ => {}
        }
    }

    /// No cluster names this assignment any more.
    pub(super) fn drop_endpoints(&mut self, name: &Arc<str>) {
        self.failures.remove(&(Kind::Endpoints, key(name)));
        self.assignments.entries.remove(name);
    }
}

fn users(entry: &Entry) -> SmallVec<[Arc<str>; 1]> {
    let mut users = entry.users.clone();
    users.sort_unstable();
    users.dedup();
    users
}

/// The endpoints of these members, and how many of them take requests. Those that leave or drain are retired here and now,
/// and the gate lets in no more than those who stay can take; it may open for newcomers once the workers know them.
pub(super) fn seat(
    old: Option<&Endpoints>,
    members: &[Member],
    limit: u32,
    gate: &Gate,
    config: &ClusterConfig,
) -> (Endpoints, u32) {
    let old = old.map_or(&[][..], Endpoints::list);
    let mut known: HashMap<_, &Arc<Endpoint>> =
        old.iter().map(|endpoint| (endpoint.address, endpoint)).collect();
    let (mut ready, mut staying) = (0, 0);
    let mut leaving: Vec<&Arc<Endpoint>> = Vec::new();
    let mut list = Vec::with_capacity(members.len());
    for member in members {
        let endpoint = match known.remove(&member.address) {
            // One that drained is retired for good: coming back it is a new one.
            Some(endpoint)
                if endpoint.hostname == member.hostname && (member.draining || !endpoint.draining()) =>
            {
                if member.draining {
                    leaving.push(endpoint);
                } else {
                    staying += 1;
                }
                endpoint.clone()
            }
            other => {
                // It is called otherwise now.
                leaving.extend(other.filter(|endpoint| !endpoint.draining()));
                let endpoint = Endpoint::named(member.address, member.hostname.clone());
                if member.draining {
                    endpoint.retire(gate);
                }
                endpoint
            }
        };
        ready += u32::from(!member.draining);
        list.push((endpoint, member.weight));
    }
    leaving.extend(known.into_values());
    if !leaving.is_empty() {
        gate.set_capacity(least(gate.capacity(), capacity(config, staying)));
        leaving.iter().for_each(|endpoint| endpoint.retire(gate));
    }
    (Endpoints::weighted(list, limit), ready)
}

/// What a gate may let in with so many endpoints.
pub(super) fn capacity(config: &ClusterConfig, ready: u32) -> Capacity {
    match &config.revision {
        None => breaker(&config.limits),
        Some(_) if ready == 0 => Capacity::Closed,
        Some(revision) if revision.concurrency == 0 => Capacity::Unlimited,
        Some(revision) => Capacity::Slots(revision.concurrency.saturating_mul(ready)),
    }
}

fn least(a: Capacity, b: Capacity) -> Capacity {
    match (a, b) {
        (Capacity::Closed, _) | (_, Capacity::Closed) => Capacity::Closed,
        (Capacity::Unlimited, other) | (other, Capacity::Unlimited) => other,
        (Capacity::Slots(a), Capacity::Slots(b)) => Capacity::Slots(a.min(b)),
    }
}
