//! Which replicas of which revision take requests now. Knows nothing of how they are run or chosen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use forebay_knative::RevisionKey;
use forebay_xds_control::translate::Endpoint;

/// Ready replicas by revision.
#[derive(Debug, Default)]
pub(super) struct Ready(BTreeMap<RevisionKey, BTreeMap<u32, SocketAddr>>);

impl Ready {
    /// A replica takes requests.
    pub(super) fn add(&mut self, key: &RevisionKey, replica: u32, address: SocketAddr) {
        self.0.entry(key.clone()).or_default().insert(replica, address);
    }

    /// It takes none any more; false if it was not one of them, or if its number is another's by now.
    pub(super) fn remove(&mut self, key: &RevisionKey, replica: u32, address: SocketAddr) -> bool {
        let Some(replicas) = self.0.get_mut(key) else { return false };
        if replicas.get(&replica) != Some(&address) {
            return false;
        }
        replicas.remove(&replica);
        if replicas.is_empty() {
            self.0.remove(key);
        }
        true
    }

    /// How many.
    pub(super) fn count(&self, key: &RevisionKey) -> u32 {
        self.0.get(key).map_or(0, |replicas| replicas.len() as u32)
    }

    /// As the control plane writes them down.
    pub(super) fn endpoints(&self, key: &RevisionKey) -> Vec<Endpoint> {
        let replicas = self.0.get(key).into_iter().flat_map(|replicas| replicas.values());
        replicas.map(|address| Endpoint { address: *address, draining: false }).collect()
    }
}
