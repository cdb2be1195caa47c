//! What a change comes to: for the workers, for the xDS stream, and for the resolver. Knows nothing of how it came about.

use std::sync::Arc;

use forebay_balance::{Capacity, Gate};
use forebay_proto::Body;
use forebay_route::{ClusterIx, Table};

use crate::cluster::{Cluster, Dns};
use crate::listener::Listener;

/// Replaced nodes, and only those; everything else is as it was. One `Arc` of this goes to every worker, which applies it
/// as a whole between two requests.
#[derive(Clone, Default)]
pub struct Update {
    /// By name; `None`: drain and close it.
    pub listeners: Vec<(Arc<str>, Option<Arc<Listener>>)>,
    /// By name; `None`: nobody asks for it any more.
    pub tables: Vec<(Arc<str>, Option<Arc<Table>>)>,
    /// By index; `None`: there is no such cluster now (503 NC).
    pub clusters: Vec<(ClusterIx, Option<Arc<Cluster>>)>,
    /// Gates that may open once every worker knows the endpoints behind them.
    gates: Vec<(Arc<Gate>, Capacity)>,
}

impl Update {
    /// Whether nothing changes for a worker.
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty()
            && self.tables.is_empty()
            && self.clusters.is_empty()
            && self.gates.is_empty()
    }

    /// Lets waiting requests in. To be called once, after this update is in every worker's mailbox and before the next
    /// change is applied: a request that is let in looks for an endpoint, and has to find the one it was let in for.
    pub fn open_gates(&self) {
        for (gate, capacity) in &self.gates {
            gate.set_capacity(*capacity);
        }
    }

    pub(crate) fn open_later(&mut self, gate: Arc<Gate>, capacity: Capacity) {
        self.gates.push((gate, capacity));
    }
}

/// A resource as it comes in.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// Its name in the envelope; empty (state of the world has none): the name is the body's own.
    pub name: &'a str,
    /// Its version, for people.
    pub version: &'a str,
    /// The resource.
    pub body: &'a Body,
}

/// What became of a change.
#[derive(Default)]
pub struct Applied {
    /// Resources that were refused; what they were before stays.
    pub rejected: Vec<Rejected>,
    /// For the workers.
    pub update: Update,
    /// For the stream: what to subscribe to, and what not any more.
    pub interests: Vec<Interest>,
    /// For the resolver: clusters whose names to resolve from now on, and (`None`) whose not any more. It answers with
    /// [`Model::resolved`](crate::Model::resolved).
    pub resolve: Vec<(Arc<str>, Option<Dns>)>,
}

/// A resource that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The resource's name.
    pub name: String,
    /// Where in the resource, and which rule it breaks.
    pub message: String,
    /// The same version was refused for the same reason before, and nothing has come since.
    pub again: bool,
}

/// A change of what is wanted of one type. No name is in both lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// RDS, VHDS or EDS.
    pub type_url: &'static str,
    /// Wanted from now on. For VHDS the route configuration's name, which stands for every `<name>/…`.
    pub add: Vec<Arc<str>>,
    /// Not wanted any more.
    pub remove: Vec<Arc<str>>,
}
