//! Counts the bytes of connections where they are read and written, into a worker's own cells. Knows no connection.

use std::rc::Rc;

use forebay_net::Meter;
use forebay_telemetry::{Cluster, ClusterStats, Http, HttpStats, Scope, Stats};

/// Two counters of one thing.
pub(crate) struct Bytes<S: Scope> {
    stats: Stats<S>,
    received: S,
    sent: S,
}

impl Bytes<Http> {
    /// Of a connection manager's clients.
    pub(crate) fn of_clients(stats: &HttpStats) -> Rc<dyn Meter> {
        let (received, sent) = (Http::DownstreamCxRxBytesTotal, Http::DownstreamCxTxBytesTotal);
        Rc::new(Self { stats: stats.clone(), received, sent })
    }
}

impl Bytes<Cluster> {
    /// Of a cluster's connections.
    pub(crate) fn of_cluster(stats: &ClusterStats) -> Rc<dyn Meter> {
        let (received, sent) = (Cluster::UpstreamCxRxBytesTotal, Cluster::UpstreamCxTxBytesTotal);
        Rc::new(Self { stats: stats.clone(), received, sent })
    }
}

impl<S: Scope> Meter for Bytes<S> {
    fn received(&self, bytes: usize) {
        self.stats.add(self.received, bytes as u64);
    }

    fn sent(&self, bytes: usize) {
        self.stats.add(self.sent, bytes as u64);
    }
}
