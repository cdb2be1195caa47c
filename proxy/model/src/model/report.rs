//! What the model holds, for those who ask: late workers, `explain`, the admin pages. Changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use forebay_base::alike::Examples;
use forebay_route::{ClusterIx, Table};

use super::Model;
use super::held::{Held, Kind};
use crate::cluster::Cluster;
use crate::dump::{Dumped, State};
use crate::listener::Listener;
use crate::update::Update;

impl Model {
    /// All that is in force, for a worker that begins. Its gates are as they are.
    pub fn full(&self) -> Update {
        let mut update = Update::default();
        update.clusters.extend(self.clusters.active().map(|(ix, _, cluster)| (ix, Some(cluster.clone()))));
        update
            .tables
            .extend(self.routes.active().map(|(name, active)| (name.clone(), Some(active.table.clone()))));
        update.listeners.extend(
            self.listeners.active().map(|(name, _, listener)| (name.clone(), Some(listener.clone()))),
        );
        update
    }

    /// A listener in force.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.get(name)
    }

    /// All listeners in force, in no order.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.listeners.active().map(|(.., listener)| listener)
    }

    /// The table of a route configuration.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        self.routes.table(name)
    }

    /// A cluster in force.
    pub fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// All clusters in force, in no order.
    pub fn clusters(&self) -> impl Iterator<Item = (ClusterIx, &Arc<Cluster>)> {
        self.clusters.active().map(|(ix, _, cluster)| (ix, cluster))
    }

    /// Whether a cluster is of the bootstrap file.
    pub fn is_fixed_cluster(&self, name: &str) -> bool {
        self.clusters.is_fixed(name)
    }

    /// The name behind an index, whether or not the cluster exists.
    pub fn cluster_name(&self, ix: ClusterIx) -> Option<&Arc<str>> {
        self.names.name(ix)
    }

    /// The index of a cluster that somebody names.
    pub fn cluster_ix(&self, name: &str) -> Option<ClusterIx> {
        self.names.known(name)
    }

    /// Everything that is held, by type and name. A resource that waits stands beside the one it replaces.
    pub fn dump(&self) -> Vec<Dumped> {
        let mut dumped: Vec<Dumped> = Vec::new();
        for kind in Kind::ALL {
            self.dump_kind(kind, &mut dumped);
        }
        for ((kind, name), failure) in &self.failures {
            let state = State::Nacked {
                version: failure.version.clone(),
                message: failure.message.clone(),
                bytes: failure.bytes.clone(),
                since: failure.since,
            };
            let known = dumped.iter_mut().find(|d| d.type_url == kind.type_url() && d.name == *name);
            match known {
                Some(known) => known.state = state,
                None => dumped.push(Dumped {
                    type_url: kind.type_url(),
                    name: name.clone(),
                    version: "".into(),
                    bytes: Bytes::new(),
                    since: failure.since,
                    fixed: false,
                    state,
                }),
            }
        }
        dumped.sort_by(|a, b| (a.type_url, &a.name).cmp(&(b.type_url, &b.name)));
        dumped
    }

    fn dump_kind(&self, kind: Kind, out: &mut Vec<Dumped>) {
        let examples = self.examples.of(kind);
        let acked = |(name, held): (&Arc<str>, &Held)| dumped(kind, name, held, examples, State::Acked);
        let warming = |(name, held, reason): (&Arc<str>, &Held, String)| {
            dumped(kind, name, held, examples, State::Warming(reason))
        };
        match kind {
            Kind::Cluster => {
                out.extend(self.clusters.active().map(|(_, held, cluster)| {
                    let name = &cluster.config.name;
                    Dumped { fixed: self.clusters.is_fixed(name), ..acked((name, held)) }
                }));
                out.extend(self.clusters.warming().map(warming));
            }
            Kind::Endpoints => out.extend(self.assignments.held().map(acked)),
            Kind::Listener => {
                out.extend(self.listeners.active().map(|(name, held, _)| Dumped {
                    fixed: self.listeners.is_fixed(name),
                    ..acked((name, held))
                }));
                out.extend(self.listeners.warming().map(warming));
            }
            Kind::Route => {
                out.extend(self.routes.active().map(|(name, active)| acked((name, &active.held))));
                out.extend(self.routes.warming().map(warming));
            }
            Kind::VirtualHost => {
                out.extend(
                    self.routes
                        .active()
                        .flat_map(|(_, active)| active.hosts.iter().map(|(name, held)| acked((name, held)))),
                );
            }
        }
    }
}

fn dumped(kind: Kind, name: &Arc<str>, held: &Held, examples: &Examples, state: State) -> Dumped {
    Dumped {
        type_url: kind.type_url(),
        name: name.clone(),
        version: held.version.text().into(),
        bytes: held.bytes(examples),
        since: held.since,
        fixed: false,
        state,
    }
}
