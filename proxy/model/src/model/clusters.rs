//! CDS: clusters, and their wait for endpoints. Knows nothing of routes but that some wait for clusters.

use std::sync::Arc;
use std::time::Instant;

use forebay_balance::{Bounds, Breakers, Capacity, Endpoints, Gate};
use forebay_base::tree::Tree;
use forebay_proto::envoy::config::cluster::v3 as pb;
use forebay_route::ClusterIx;

use super::effects::Effects;
use super::endpoints::{capacity, seat};
use super::held::{Held, Kind};
use super::listeners::gone;
use super::resolve::{RESOLVE, dns_change, has_job, is_dns, members_of, numeric};
use super::{Body, Model, Origin};
use crate::cluster::{Cluster, ClusterConfig, Discovery, Limits};
use crate::read::{self, At, Invalid, Member, ReadCluster};
use crate::update::Resource;

/// All clusters, by name.
#[derive(Default)]
pub(super) struct Clusters {
    pub(super) entries: Tree<Arc<str>, Box<Entry>>,
}

pub(super) struct Entry {
    origin: Origin,
    ix: ClusterIx,
    /// In force.
    pub(super) active: Option<Active>,
    /// To be in force when its endpoints are there.
    warming: Option<Box<Warming>>,
}

pub(super) struct Active {
    held: Held,
    pub(super) cluster: Arc<Cluster>,
}

struct Warming {
    held: Held,
    config: ClusterConfig,
    /// When the wait is over; `None` is never.
    until: Option<Instant>,
}

impl Entry {
    /// What it was told last, whether or not that is in force.
    pub(super) fn latest(&self) -> Option<&ClusterConfig> {
        let warming = self.warming.as_ref().map(|warming| &warming.config);
        warming.or(self.active.as_ref().map(|active| &*active.cluster.config))
    }

    /// Whether its latest version waits for endpoints.
    pub(super) fn waits(&self) -> bool {
        self.warming.is_some()
    }
}

impl Clusters {
    pub(super) fn is_active(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.active.is_some())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Cluster>> {
        Some(&self.entries.get(name)?.active.as_ref()?.cluster)
    }

    /// Index, resource and cluster of all that are in force.
    pub(super) fn active(&self) -> impl Iterator<Item = (ClusterIx, &Held, &Arc<Cluster>)> {
        self.entries.values().filter_map(|entry| {
            let active = entry.active.as_ref()?;
            Some((entry.ix, &active.held, &active.cluster))
        })
    }

    /// Whether it is of the bootstrap file.
    pub(super) fn is_fixed(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.origin == Origin::Bootstrap)
    }

    /// Name, resource and reason of all that wait.
    pub(super) fn warming(&self) -> impl Iterator<Item = (&Arc<str>, &Held, String)> {
        self.entries.iter().filter_map(|(name, entry)| {
            let warming = entry.warming.as_deref()?;
            let reason = match &warming.config.discovery {
                Discovery::Eds { service_name } => format!("waits for endpoints {service_name:?}"),
                Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => {
                    let hosts: Vec<&str> = dns.hosts.iter().map(|host| &*host.host).collect();
                    format!("waits for addresses of {}", hosts.join(", "))
                }
                Discovery::Static => String::new(),
            };
            Some((name, &warming.held, reason))
        })
    }
}

impl Model {
    pub(super) fn put_cluster(
        &mut self,
        origin: Origin,
        body: Body<'_>,
        fx: &mut Effects,
    ) -> Result<(), Invalid> {
        if let Some(entry) = self.clusters.entries.get_mut(body.name) {
            if entry.origin == Origin::Bootstrap && origin == Origin::Stream {
                return Ok(());
            }
            let latest =
                entry.warming.as_mut().map(|w| &mut w.held).or(entry.active.as_mut().map(|a| &mut a.held));
            if latest.is_some_and(|held| held.same(body.version, body.bytes, &self.examples.clusters)) {
                return Ok(());
            }
        }
        let message: pb::Cluster = read::decode(&At::ROOT, body.bytes)?;
        body.check_name(&message.name)?;
        let ReadCluster { config, assignment, wait } = read::cluster(&message, &mut self.names)?;
        let name = config.name.clone();
        let held = Held::packed(body.version, body.bytes, fx.now, &mut self.examples.clusters);
        let members = assignment.map(|assignment| assignment.members);
        let ready = members.or_else(|| self.known_members(&config));
        let wait = if is_dns(&config.discovery) { Some(RESOLVE) } else { wait };
        let until = wait.map(|wait| fx.now + wait);
        self.keep_endpoints(&config.discovery, &name);
        let entry = match self.clusters.entries.get_mut(&name) {
            Some(entry) => entry,
            None => {
                let ix = self.names.cluster(&name);
                self.names.hold(ix);
                let entry = Entry { origin, ix, active: None, warming: None };
                self.clusters.entries.pack();
                self.clusters.entries.entry(name.clone()).or_insert(Box::new(entry))
            }
        };
        let resolve = dns_change(entry, &config.discovery);
        let replaced = entry.warming.replace(Box::new(Warming { held, config, until }));
        if let Some(replaced) = replaced {
            self.let_go_endpoints(&replaced.config.discovery, &name);
        }
        if let Some(job) = resolve {
            fx.resolve.push((name.clone(), job));
        }
        match ready {
            Some(members) => self.activate_cluster(&name, &members, fx),
            None => until.into_iter().for_each(|until| self.deadlines.add(until, Kind::Cluster, &name)),
        }
        Ok(())
    }

    /// The endpoints of a cluster that can be used without waiting for anybody.
    fn known_members(&self, config: &ClusterConfig) -> Option<Box<[Member]>> {
        match &config.discovery {
            Discovery::Static => None,
            Discovery::Eds { service_name } => self.assignments.members(service_name).map(Into::into),
            dns @ (Discovery::StrictDns(hosts) | Discovery::LogicalDns(hosts)) => {
                let active =
                    self.clusters.get(&config.name).filter(|cluster| cluster.config.discovery == *dns);
                match active {
                    Some(cluster) => Some(members_of(&cluster.endpoints)),
                    None => numeric(hosts),
                }
            }
        }
    }

    /// Names that a change takes away.
    pub(super) fn gone_clusters(
        &self,
        full: bool,
        added: &[Resource<'_>],
        removed: &[String],
    ) -> Vec<Arc<str>> {
        let entries = &self.clusters.entries;
        let all = entries.iter().filter(|(_, entry)| entry.origin == Origin::Stream).map(|(name, _)| name);
        let known = |name: &str| entries.get(name).is_none_or(|entry| entry.origin == Origin::Stream);
        gone(all, known, full, added, removed)
    }

    pub(super) fn remove_clusters(&mut self, names: &[Arc<str>], fx: &mut Effects) {
        for name in names {
            self.failures.remove(&(Kind::Cluster, name.clone()));
            let Some(entry) = self.clusters.entries.remove(name) else { continue };
            if has_job(&entry) {
                fx.resolve.push((name.clone(), None));
            }
            if let Some(warming) = entry.warming {
                self.let_go_endpoints(&warming.config.discovery, name);
            }
            if let Some(Active { cluster, .. }) = entry.active {
                self.let_go_endpoints(&cluster.config.discovery, name);
                cluster.endpoints.list().iter().for_each(|endpoint| endpoint.retire(&cluster.gate));
                // Whoever waits is let in, finds that there is no such cluster, and is told so.
                fx.update.open_later(cluster.gate.clone(), Capacity::Unlimited);
                fx.update.clusters.push((entry.ix, None));
            }
            self.names.release(entry.ix);
        }
    }

    /// A cluster's wait is over, if it still waits.
    pub(super) fn warm_cluster_late(&mut self, name: &Arc<str>, fx: &mut Effects) {
        let Some(warming) = self.clusters.entries.get(name).and_then(|entry| entry.warming.as_ref()) else {
            return;
        };
        if warming.until.is_some_and(|until| until <= fx.now) {
            self.activate_cluster(name, &[], fx);
        }
    }

    /// The endpoints that clusters waited for will not come.
    pub(super) fn warm_cluster_empty(&mut self, name: &Arc<str>, fx: &mut Effects) {
        if self.clusters.entries.get(name).is_some_and(|entry| entry.warming.is_some()) {
            self.activate_cluster(name, &[], fx);
        }
    }

    /// Endpoints came: the cluster that waits for them waits no longer, the one in force uses them.
    pub(super) fn endpoints_came(
        &mut self,
        name: &Arc<str>,
        service: &str,
        members: &[Member],
        fx: &mut Effects,
    ) {
        let Some(entry) = self.clusters.entries.get(name) else { return };
        let is = |discovery: &Discovery| matches!(discovery, Discovery::Eds { service_name } if **service_name == *service);
        if entry.warming.as_ref().is_some_and(|warming| is(&warming.config.discovery)) {
            self.activate_cluster(name, members, fx);
        } else if entry.active.as_ref().is_some_and(|active| is(&active.cluster.config.discovery)) {
            self.seat_members(name, members, fx);
        }
    }

    /// Puts the waiting version in force with these endpoints.
    pub(super) fn activate_cluster(&mut self, name: &Arc<str>, members: &[Member], fx: &mut Effects) {
        let Some(entry) = self.clusters.entries.get_mut(name) else { return };
        let Some(warming) = entry.warming.take() else { return };
        let Warming { held, config, until } = *warming;
        if let Some(until) = until {
            self.deadlines.remove(until, Kind::Cluster, name);
        }
        let before = entry.active.take().map(|active| active.cluster);
        // Other bytes may say the same: then it stays the same object.
        let config = match &before {
            Some(before) if *before.config == config => before.config.clone(),
            _ => Arc::new(config),
        };
        let gate = before.as_ref().map_or_else(|| Gate::new(bounds(&config)), |before| before.gate.clone());
        if before.as_ref().is_some_and(|before| bounds(&before.config) != bounds(&config)) {
            gate.set_bounds(bounds(&config));
        }
        let old = before.as_ref().map(|before| &before.endpoints);
        let limit = config.revision.as_ref().map_or(0, |revision| revision.concurrency);
        let (endpoints, ready) = seat(old, members, limit, &gate, &config);
        // A gate that nobody knows yet may open at once.
        match before {
            Some(_) => fx.update.open_later(gate.clone(), capacity(&config, ready)),
            None => gate.set_capacity(capacity(&config, ready)),
        }
        let same = before.as_ref().filter(|before| {
            Arc::ptr_eq(&before.config, &config) && same_endpoints(&before.endpoints, &endpoints)
        });
        let cluster = match same {
            Some(before) => before.clone(),
            None => {
                let breakers =
                    before.as_ref().map_or_else(Arc::<Breakers>::default, |before| before.breakers.clone());
                let cluster = Arc::new(Cluster { config, gate, endpoints, breakers });
                fx.update.clusters.push((entry.ix, Some(cluster.clone())));
                cluster
            }
        };
        entry.active = Some(Active { held, cluster });
        match before {
            Some(before) => self.let_go_endpoints(&before.config.discovery, name),
            None => self.cluster_came(name, fx),
        }
    }

    /// Gives the version in force these endpoints.
    pub(super) fn seat_members(&mut self, name: &Arc<str>, members: &[Member], fx: &mut Effects) {
        let Some(entry) = self.clusters.entries.get_mut(name) else { return };
        let Some(active) = entry.active.as_mut() else { return };
        let Cluster { config, gate, endpoints, breakers } = &*active.cluster;
        let (new, ready) = seat(Some(endpoints), members, endpoints.limit(), gate, config);
        if same_endpoints(endpoints, &new) {
            return;
        }
        let cluster = Arc::new(Cluster {
            config: config.clone(),
            gate: gate.clone(),
            endpoints: new,
            breakers: breakers.clone(),
        });
        fx.update.open_later(gate.clone(), capacity(config, ready));
        fx.update.clusters.push((entry.ix, Some(cluster.clone())));
        active.cluster = cluster;
    }

    fn keep_endpoints(&mut self, discovery: &Discovery, cluster: &Arc<str>) {
        if let Discovery::Eds { service_name } = discovery {
            self.assignments.join(service_name, cluster);
        }
    }

    fn let_go_endpoints(&mut self, discovery: &Discovery, cluster: &Arc<str>) {
        if let Discovery::Eds { service_name } = discovery {
            self.assignments.leave(service_name, cluster);
        }
    }
}

/// The waiting room of a revision; a plain cluster has none.
fn bounds(config: &ClusterConfig) -> Bounds {
    match &config.revision {
        Some(revision) => Bounds { max_waiting: revision.max_waiting, max_bytes: revision.max_waiting_bytes },
        None => Bounds { max_waiting: 0, max_bytes: 0 },
    }
}

fn same_endpoints(a: &Endpoints, b: &Endpoints) -> bool {
    a.limit() == b.limit()
        && a.list().len() == b.list().len()
        && a.list().iter().zip(b.list()).all(|(a, b)| Arc::ptr_eq(a, b))
        && a.weighs_like(b)
}

/// What Envoy's circuit breaker for requests lets through.
pub(super) fn breaker(limits: &Limits) -> Capacity {
    if limits.max_requests == u32::MAX { Capacity::Unlimited } else { Capacity::Slots(limits.max_requests) }
}
