//! From the world's changes to the store: clusters, endpoints and virtual hosts come and go here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use forebay_knative::api::{Kind, Revision};
use forebay_knative::ingress::Ingress;
use forebay_knative::world::RevisionChange;
use forebay_knative::{Key, RevisionKey};
use forebay_proto::type_url;
use forebay_xds_server::Batch;

use super::{Control, Known, Placed};
use crate::translate;

impl Control {
    pub(super) fn place_revision(
        &mut self,
        change: &RevisionChange,
        homes: &HashMap<RevisionKey, Arc<Path>>,
        batch: &mut Batch<'_>,
    ) {
        let Some(revision) = &change.revision else { return };
        let is_new = !self.revisions.contains_key(&change.key);
        match self.revisions.get_mut(&change.key) {
            // Its state or reachability changed, which no proxy is told.
            Some(known) if Arc::ptr_eq(&known.revision, revision) => return,
            Some(known) => known.revision = revision.clone(),
            None => {
                let home = match homes.get(&change.key) {
                    Some(home) => home.clone(),
                    None => self.home_of(&change.key, revision),
                };
                self.revisions.insert(change.key.clone(), Known { revision: revision.clone(), home });
            }
        }
        let cluster = translate::cluster(&change.key, revision, &self.settings);
        batch.set(type_url::CLUSTER, &cluster.name, &cluster);
        if is_new {
            // At zero, and there: a proxy need not wait to know that it has to wait.
            let assignment = translate::assignment(&change.key, &[]);
            batch.set(type_url::ENDPOINTS, &assignment.cluster_name, &assignment);
        }
    }

    pub(super) fn remove_revision(&mut self, change: &RevisionChange, batch: &mut Batch<'_>) {
        if change.revision.is_some() || self.revisions.remove(&change.key).is_none() {
            return;
        }
        let name = translate::cluster_name(&change.key);
        batch.remove(type_url::CLUSTER, &name);
        batch.remove(type_url::ENDPOINTS, &name);
    }

    pub(super) fn place_ingress(&mut self, key: Key, ingress: Option<&Ingress>, batch: &mut Batch<'_>) {
        let Placed { leads_to, hosts } = self.placed.remove(&key).unwrap_or_default();
        if let Some(route) = leads_to {
            self.unmap(&route, &key);
        }
        match ingress {
            Some(ingress) => {
                let leads_to = mapping_of(ingress).map(Box::new);
                if let Some(route) = &leads_to {
                    self.mapped.entry((**route).clone()).or_default().insert(key.clone());
                }
                self.placed.insert(key.clone(), Placed { leads_to, hosts });
                self.write_hosts(&key, ingress, batch);
            }
            None => hosts.iter().for_each(|host| _ = batch.remove(type_url::VIRTUAL_HOST, host)),
        }
        // What leads here through a domain of its own changes with it.
        for mapping in self.mapped.get(&key).cloned().unwrap_or_default() {
            if let Some(ingress) = self.world.ingress(Kind::DomainMapping, &mapping) {
                self.write_hosts(&mapping, &ingress, batch);
            }
        }
    }

    fn write_hosts(&mut self, key: &Key, ingress: &Ingress, batch: &mut Batch<'_>) {
        let Some(placed) = self.placed.get_mut(key) else { return };
        let hosts = match &placed.leads_to {
            None => translate::virtual_hosts(ingress),
            Some(route) => {
                let target = self.world.ingress(Kind::Route, route);
                target.and_then(|target| translate::mapped_host(ingress, &target)).into_iter().collect()
            }
        };
        for host in &hosts {
            batch.set(type_url::VIRTUAL_HOST, &host.name, host);
        }
        // Copied: collecting the messages' own names would keep the allocation that the messages were in.
        let names: Box<[Box<str>]> = hosts.iter().map(|host| host.name.as_str().into()).collect();
        for gone in placed.hosts.iter().filter(|name| !names.contains(name)) {
            batch.remove(type_url::VIRTUAL_HOST, gone);
        }
        placed.hosts = names;
    }

    fn unmap(&mut self, route: &Key, mapping: &Key) {
        if let Some(mappings) = self.mapped.get_mut(route) {
            mappings.remove(mapping);
            if mappings.is_empty() {
                self.mapped.remove(route);
            }
        }
    }

    /// The folder of the file that a revision's Service or Configuration stands in. One text for all of a folder.
    fn home_of(&mut self, key: &RevisionKey, revision: &Revision) -> Arc<Path> {
        let file = self.origin_of(key, revision).cloned();
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
        self.folders.one(folder)
    }

    fn origin_of(&self, key: &RevisionKey, revision: &Revision) -> Option<&Arc<Path>> {
        let owner = Key::new(key.namespace.clone(), revision.configuration.clone());
        [Kind::Service, Kind::Configuration]
            .into_iter()
            .find_map(|kind| self.declared.file_of(&(kind, owner.clone())))
    }

    /// The file that a revision's Service or Configuration stands in.
    pub fn file_of(&self, key: &RevisionKey) -> Option<&Arc<Path>> {
        self.origin_of(key, &self.revisions.get(key)?.revision)
    }
}

/// The Route that a KIngress only leads to.
fn mapping_of(ingress: &Ingress) -> Option<Key> {
    (ingress.owner == Kind::DomainMapping).then(|| translate::mapped_to(ingress)).flatten()
}
