//! What became of the control plane's updates, by Envoy's names: `cluster_manager.cds.*`, `listener_manager.lds.*`,
//! `http.<prefix>.rds.<routes>.*`, and how often clusters and listeners came and went. Written by the thread that obeys the
//! control plane, read by the admin interface; no worker takes its lock. Knows no sockets.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_model::{Applied, FileResource, Update};
use forebay_proto::type_url;
use forebay_route::ClusterIx;
use forebay_telemetry::hash::xxh64;
use forebay_telemetry::{Family, Inner, Kind, Snapshot, Word};
use forebay_xds_client::Change;

use super::statistics::Asks;

/// All of it.
#[derive(Default)]
pub(crate) struct Updates(Mutex<State>);

#[derive(Default)]
struct State {
    clusters: Counts,
    listeners: Counts,
    routes: BTreeMap<Arc<str>, Counts>,
    known_clusters: HashSet<ClusterIx>,
    known_listeners: HashSet<Arc<str>>,
    cluster_changes: Changes,
    listener_changes: Changes,
    listener_failures: u64,
}

/// Of one subscription.
#[derive(Default)]
struct Counts {
    success: u64,
    rejected: u64,
    /// Nothing could be made of what came.
    failure: u64,
    empty: u64,
    reload: u64,
    /// Milliseconds since the epoch.
    time: u64,
    reload_time: u64,
    version: String,
}

#[derive(Default)]
struct Changes {
    added: u64,
    modified: u64,
    removed: u64,
}

impl Updates {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A response has come and this is what the model made of it.
    pub(crate) fn heard(&self, url: &str, change: &Change, applied: &Applied) {
        let mut state = self.state();
        let version = change.added.first().map(|resource| resource.version.as_str());
        let good = applied.rejected.is_empty() && change.refused.is_empty();
        match url {
            type_url::CLUSTER => {
                let changed = !applied.update.clusters.is_empty();
                state.clusters.heard(good, change.added.is_empty(), changed, version);
            }
            type_url::LISTENER => {
                let changed = !applied.update.listeners.is_empty();
                state.listeners.heard(good, change.added.is_empty(), changed, version);
            }
            type_url::ROUTE => {
                for resource in &change.added {
                    let good = !applied.rejected.iter().any(|refused| refused.name == resource.name);
                    let changed = applied.update.tables.iter().any(|(name, _)| **name == *resource.name);
                    let counts = state.routes.entry(resource.name.as_str().into()).or_default();
                    counts.heard(good, false, changed, Some(&resource.version));
                }
            }
            _ => {}
        }
    }

    /// A file could not be read, or (`readable`) has not what is asked of it.
    pub(crate) fn failed(&self, url: &str, key: &str, readable: bool) {
        let mut state = self.state();
        let counts = match url {
            type_url::CLUSTER => &mut state.clusters,
            type_url::LISTENER => &mut state.listeners,
            type_url::ROUTE => state.routes.entry(key.into()).or_default(),
            _ => return,
        };
        match readable {
            true => counts.rejected += 1,
            false => counts.failure += 1,
        }
    }

    /// Workers get this.
    pub(crate) fn published(&self, update: &Update) {
        let mut state = self.state();
        let state = &mut *state;
        for (ix, cluster) in &update.clusters {
            match cluster {
                Some(_) => state.cluster_changes.put(state.known_clusters.insert(*ix)),
                None => state.cluster_changes.gone(state.known_clusters.remove(ix)),
            }
        }
        for (name, listener) in &update.listeners {
            match listener {
                Some(_) => state.listener_changes.put(state.known_listeners.insert(name.clone())),
                None => state.listener_changes.gone(state.known_listeners.remove(name)),
            }
        }
    }

    /// A listener could not be opened.
    pub(crate) fn failed_to_bind(&self) {
        self.state().listener_failures += 1;
    }

    pub(crate) fn reset_counters(&self) {
        let mut state = self.state();
        let state = &mut *state;
        (state.cluster_changes, state.listener_changes) = Default::default();
        state.listener_failures = 0;
        for counts in [&mut state.clusters, &mut state.listeners].into_iter().chain(state.routes.values_mut())
        {
            (counts.success, counts.rejected, counts.failure) = (0, 0, 0);
            (counts.empty, counts.reload) = (0, 0);
        }
    }

    /// Adds all of it to a snapshot; `managers` ask for routes by name.
    pub(super) fn show(&self, managers: &[Asks], all: &mut Snapshot) {
        let state = self.state();
        let (c, l) = (&state.cluster_changes, &state.listener_changes);
        for (name, value) in [
            ("cluster_manager.cluster_added", c.added),
            ("cluster_manager.cluster_modified", c.modified),
            ("cluster_manager.cluster_removed", c.removed),
            ("listener_manager.listener_added", l.added),
            ("listener_manager.listener_modified", l.modified),
            ("listener_manager.listener_removed", l.removed),
            ("listener_manager.listener_create_failure", state.listener_failures),
        ] {
            all.push(None, name, Kind::Counter, value);
        }
        for (name, kind, value) in state.clusters.named(&CDS) {
            all.push(None, name, kind, value);
        }
        all.say("cluster_manager.cds.version_text", state.clusters.version.clone());
        for (name, kind, value) in state.listeners.named(&LDS) {
            all.push(None, name, kind, value);
        }
        all.say("listener_manager.lds.version_text", state.listeners.version.clone());
        for (prefix, name) in managers.iter().collect::<std::collections::BTreeSet<_>>() {
            let Some(counts) = state.routes.get(name) else { continue };
            let name = &FileResource::of_key(name).map_or_else(|| name.clone(), |file| file.name);
            let scope = || (Family::Http, prefix.clone());
            for (leaf, kind, value) in counts.named(&RDS) {
                all.push_inner(scope(), (Inner::Rds, name.clone()), leaf, kind, value);
            }
            let (scope, inner) = (Some(scope()), Some((Inner::Rds, name.clone())));
            all.words.push(Word { scope, inner, name: "version_text", value: counts.version.clone() });
        }
    }
}

impl Counts {
    fn heard(&mut self, good: bool, empty: bool, changed: bool, version: Option<&str>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        if changed {
            self.reload += 1;
            self.reload_time = now;
        }
        if !good {
            self.rejected += 1;
            return;
        }
        self.success += 1;
        self.empty += u64::from(empty);
        self.time = now;
        if let Some(version) = version {
            version.clone_into(&mut self.version);
        }
    }

    fn named<'n>(
        &self,
        names: &'n [&'static str; 9],
    ) -> impl Iterator<Item = (&'static str, Kind, u64)> + 'n {
        let version = if self.version.is_empty() { 0 } else { xxh64(self.version.as_bytes()) };
        let values = [
            // Envoy counts the subscription itself as the first attempt.
            (Kind::Counter, 1 + self.success + self.rejected + self.failure),
            (Kind::Counter, self.success),
            (Kind::Counter, self.rejected),
            (Kind::Counter, self.failure),
            (Kind::Counter, self.empty),
            (Kind::Gauge, self.time),
            (Kind::Gauge, version),
            (Kind::Counter, self.reload),
            (Kind::Gauge, self.reload_time),
        ];
        let known = names.iter().zip(values).filter(|(name, _)| **name != UNKNOWN);
        known.map(|(name, (kind, value))| (*name, kind, value))
    }
}

impl Changes {
    fn put(&mut self, new: bool) {
        if new {
            self.added += 1;
        } else {
            self.modified += 1;
        }
    }

    fn gone(&mut self, known: bool) {
        self.removed += u64::from(known);
    }
}

/// What Envoy does not count for this type.
const UNKNOWN: &str = "";
const CDS: [&str; 9] = [
    "cluster_manager.cds.update_attempt",
    "cluster_manager.cds.update_success",
    "cluster_manager.cds.update_rejected",
    "cluster_manager.cds.update_failure",
    UNKNOWN,
    "cluster_manager.cds.update_time",
    "cluster_manager.cds.version",
    "cluster_manager.cds.config_reload",
    "cluster_manager.cds.config_reload_time_ms",
];
const LDS: [&str; 9] = [
    "listener_manager.lds.update_attempt",
    "listener_manager.lds.update_success",
    "listener_manager.lds.update_rejected",
    "listener_manager.lds.update_failure",
    UNKNOWN,
    "listener_manager.lds.update_time",
    "listener_manager.lds.version",
    UNKNOWN,
    UNKNOWN,
];
const RDS: [&str; 9] = [
    "update_attempt",
    "update_success",
    "update_rejected",
    "update_failure",
    "update_empty",
    "update_time",
    "version",
    "config_reload",
    "config_reload_time_ms",
];

#[cfg(test)]
mod tests;
