//! A model with a clock, and how a worker would see it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_base::rng::Rng;
use forebay_model::{Applied, Cluster, Listener, Model, Resource};
use forebay_proto::Body;
use forebay_proto::envoy::config::cluster::v3::Cluster as PbCluster;
use forebay_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use forebay_proto::envoy::config::listener::v3::Listener as PbListener;
use forebay_proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use forebay_route::{ClusterIx, Picked, PlainRequest, Table};
use prost::{Message, Name};

use crate::build::body;

/// A resource by the name it calls itself.
pub(crate) trait Named: Message + Name {
    fn own_name(&self) -> &str;
}

macro_rules! named {
    ($($Type:ty: $field:ident),*) => {
        $(impl Named for $Type {
            fn own_name(&self) -> &str {
                &self.$field
            }
        })*
    };
}
named!(PbCluster: name, ClusterLoadAssignment: cluster_name, PbListener: name, RouteConfiguration: name, VirtualHost: name);

/// A model and one worker that obeys it.
pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) now: Instant,
    pub(crate) listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    pub(crate) tables: BTreeMap<Arc<str>, Arc<Table>>,
    pub(crate) clusters: BTreeMap<ClusterIx, Arc<Cluster>>,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            model: Model::new(),
            now: Instant::now(),
            listeners: BTreeMap::new(),
            tables: BTreeMap::new(),
            clusters: BTreeMap::new(),
        }
    }

    /// One resource comes in.
    pub(crate) fn put<M: Named>(&mut self, message: &M) -> Applied {
        self.apply::<M>(false, &[(message.own_name(), body(message))], &[])
    }

    /// One that has to be accepted.
    pub(crate) fn accept<M: Named>(&mut self, message: &M) -> Applied {
        let applied = self.put(message);
        assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
        applied
    }

    /// One that has to be refused, and why it was.
    pub(crate) fn refuse<M: Named>(&mut self, message: &M) -> String {
        let applied = self.put(message);
        assert!(applied.update.is_empty(), "what is refused changes nothing");
        let [rejected] = &applied.rejected[..] else { panic!("{:?}", applied.rejected) };
        assert_eq!(rejected.name, message.own_name());
        rejected.message.clone()
    }

    /// Only these are there: the state of the world.
    pub(crate) fn full<M: Named>(&mut self, messages: &[M]) -> Applied {
        let all: Vec<_> = messages.iter().map(|message| (message.own_name(), body(message))).collect();
        self.apply::<M>(true, &all, &[])
    }

    pub(crate) fn all<M: Named>(&mut self, messages: &[M]) -> Applied {
        let all: Vec<_> = messages.iter().map(|message| (message.own_name(), body(message))).collect();
        self.apply::<M>(false, &all, &[])
    }

    pub(crate) fn remove<M: Named>(&mut self, name: &str) -> Applied {
        self.apply::<M>(false, &[], &[name.to_owned()])
    }

    fn apply<M: Named>(&mut self, full: bool, added: &[(&str, Body)], removed: &[String]) -> Applied {
        let added: Vec<_> = added.iter().map(|(name, body)| Resource { name, version: "1", body }).collect();
        let applied = self.model.apply(&M::type_url(), full, &added, removed, self.now);
        self.obey(applied)
    }

    pub(crate) fn later(&mut self, time: Duration) -> Applied {
        self.now += time;
        let applied = self.model.tick(self.now);
        self.obey(applied)
    }

    /// What a worker does with an update.
    pub(crate) fn obey(&mut self, applied: Applied) -> Applied {
        for (name, listener) in &applied.update.listeners {
            put(&mut self.listeners, name.clone(), listener.clone());
        }
        for (name, table) in &applied.update.tables {
            put(&mut self.tables, name.clone(), table.clone());
        }
        for (ix, cluster) in &applied.update.clusters {
            put(&mut self.clusters, *ix, cluster.clone());
        }
        applied.update.open_gates();
        self.agrees_with_a_late_worker();
        applied
    }

    /// A worker that begins now sees what one sees that was there all the time.
    fn agrees_with_a_late_worker(&self) {
        let full = self.model.full();
        assert_eq!(full.listeners.len(), self.listeners.len());
        assert_eq!(full.tables.len(), self.tables.len());
        assert_eq!(full.clusters.len(), self.clusters.len());
        let same =
            |a: &Option<Arc<Listener>>, b: &Arc<Listener>| a.as_ref().is_some_and(|a| Arc::ptr_eq(a, b));
        assert!(full.listeners.iter().all(|(name, listener)| same(listener, &self.listeners[name])));
        let same = |a: &Option<Arc<Table>>, b: &Arc<Table>| a.as_ref().is_some_and(|a| Arc::ptr_eq(a, b));
        assert!(full.tables.iter().all(|(name, table)| same(table, &self.tables[name])));
        let same = |a: &Option<Arc<Cluster>>, b: &Arc<Cluster>| a.as_ref().is_some_and(|a| Arc::ptr_eq(a, b));
        assert!(full.clusters.iter().all(|(ix, cluster)| same(cluster, &self.clusters[ix])));
    }

    /// Where a request for this host ends: `cluster`, `cluster (missing)`, or why not.
    pub(crate) fn ask(&self, table: &str, authority: &str) -> String {
        let Some(table) = self.tables.get(table) else { return "no table".to_owned() };
        let Some(matched) = table.lookup(&PlainRequest::get(authority, "/"), &Rng::seeded(1)) else {
            return "no route".to_owned();
        };
        match matched.action {
            Picked::Forward { cluster, split, .. } => {
                assert_eq!(self.model.cluster_name(cluster), Some(&split.name), "an index means one name");
                let there = if self.clusters.contains_key(&cluster) { "" } else { " (missing)" };
                format!("{}{there}", split.name)
            }
            other => format!("{other:?}"),
        }
    }

    pub(crate) fn cluster(&self, name: &str) -> &Arc<Cluster> {
        self.model.cluster(name).unwrap_or_else(|| panic!("no cluster {name}"))
    }

    /// A cluster's addresses, in order.
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        self.cluster(name).endpoints.list().iter().map(|endpoint| endpoint.address.to_string()).collect()
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// What a change wants of a type: names with `+` and `-`.
pub(crate) fn interests(applied: &Applied, type_url: &str) -> Vec<String> {
    let of_type = applied.interests.iter().filter(|interest| interest.type_url == type_url);
    of_type
        .flat_map(|interest| {
            let add = interest.add.iter().map(|name| format!("+{name}"));
            add.chain(interest.remove.iter().map(|name| format!("-{name}")))
        })
        .collect()
}
