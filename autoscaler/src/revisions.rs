//! All revisions, each with its load, decider and scaler, and the agenda of those that need another look. Pure: time is an
//! argument. Knows neither sockets nor tasks.

mod entry;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_base::tree::Tree;
use forebay_report::metrics::WireStatMessage;

use crate::moment::Moment;
use crate::scaler::{Activity, Scaler};
use crate::settings::{Metric, Settings};
use entry::Entry;

/// How many different settings are remembered in order to be shared: a thousand revisions rarely have more.
const SHARED_SETTINGS: usize = 8;

/// An order to the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleTo {
    /// Namespace and name of the revision.
    pub key: (Arc<str>, Arc<str>),
    /// Replicas there should be.
    pub replicas: u32,
    /// Why, in words for people.
    pub reason: String,
}

/// One revision as a screen shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The revision's namespace.
    pub namespace: Arc<str>,
    /// The revision's name.
    pub name: Arc<str>,
    /// Replicas the load asks for.
    pub desired: u32,
    /// Replicas there should be, bounds and zero considered.
    pub wanted: u32,
    /// Replicas that answer their probe.
    pub ready: u32,
    /// What the averages measure.
    pub metric: Metric,
    /// Load per replica aimed for, in the metric's unit.
    pub target: f64,
    /// Average over the stable window.
    pub stable: f64,
    /// Average over the panic window.
    pub panic: f64,
    /// Whether a panic is on.
    pub panicking: bool,
    /// See [`crate::decision::Decision::excess_burst_capacity`].
    pub excess_burst_capacity: i32,
    /// Whether it serves.
    pub activity: Activity,
    /// Whether it was ready once.
    pub initialized: bool,
    /// What decided `wanted`, in words.
    pub reason: String,
}

/// Whether a revision still has to prove that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    New,
    Proven,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    namespace: Arc<str>,
    name: Arc<str>,
}

/// The revisions and what is due. An idle revision is one boxed entry here and no agenda item.
#[derive(Debug, Default)]
pub(crate) struct Revisions {
    /// By namespace, then name: stats name both, and a lookup by `&str` in each allocates nothing.
    by_namespace: BTreeMap<Arc<str>, Tree<Arc<str>, Box<Entry>>>,
    /// When to look at which revision although nothing was heard. Each is here at most once, at its entry's `due`.
    agenda: BTreeSet<(Moment, Key)>,
    /// Orders not yet taken.
    orders: Vec<ScaleTo>,
    /// Settings lately used, newest last.
    shared: Vec<Arc<Settings>>,
}

impl Revisions {
    /// Adds a revision or changes its settings. The same again does nothing.
    pub(crate) fn upsert(
        &mut self,
        namespace: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        settings: Settings,
        reachable: bool,
        origin: Origin,
        now: Moment,
    ) {
        let (namespace, name): (Arc<str>, Arc<str>) = (namespace.into(), name.into());
        let settings = self.share(settings);
        if let Some(entry) = self.entry(&namespace, &name) {
            if *entry.settings != *settings || entry.reachable != reachable {
                entry.change(settings, reachable, now);
                self.look_at(&namespace, &name, now);
            }
            return;
        }
        let scaler = match origin {
            Origin::New => Scaler::new(&settings, now),
            Origin::Proven => Scaler::proven(now),
        };
        let entry = Box::new(Entry::new(settings, scaler, reachable, now));
        self.by_namespace.entry(Arc::clone(&namespace)).or_default().insert(Arc::clone(&name), entry);
        self.look_at(&namespace, &name, now);
    }

    /// Forgets a revision; its replicas are the caller's.
    pub(crate) fn remove(&mut self, namespace: &str, name: &str) {
        let Some(revisions) = self.by_namespace.get_mut(namespace) else { return };
        let Some((name, entry)) = revisions.remove_entry(name) else { return };
        if revisions.is_empty() {
            self.by_namespace.remove(namespace);
        }
        if let Some(due) = entry.due {
            self.agenda.remove(&(due, Key { namespace: namespace.into(), name }));
        }
    }

    /// Tells how many replicas answer their probe.
    pub(crate) fn set_ready(&mut self, namespace: &str, name: &str, ready: u32, now: Moment) {
        if let Some(entry) = self.entry(namespace, name)
            && entry.ready != ready
        {
            entry.ready = ready;
            self.look_at(namespace, name, now);
        }
    }

    /// Takes in what reporters sent and decides at once for each revision they named.
    pub(crate) fn record(&mut self, messages: &[WireStatMessage], now: Moment) {
        for message in messages {
            // A message without a stat comes from a newer protocol.
            let Some(stat) = &message.stat else { continue };
            let Some(entry) = self.entry(&message.namespace, &message.name) else {
                tracing::debug!(
                    namespace = message.namespace,
                    revision = message.name,
                    reporter = stat.pod_name,
                    "load of an unknown revision ignored"
                );
                continue;
            };
            if let Err(e) = entry.record(stat, now) {
                tracing::warn!(
                    namespace = message.namespace,
                    revision = message.name,
                    reporter = stat.pod_name,
                    "load ignored: {e}"
                );
            }
        }
        // After all of them: two reporters in one frame are one load.
        for message in messages {
            if self.entry(&message.namespace, &message.name).is_some_and(|entry| entry.heard) {
                self.look_at(&message.namespace, &message.name, now);
            }
        }
    }

    /// When [`Revisions::run_due`] has something to do, if nothing is heard before.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.agenda.first().map(|&(due, _)| due)
    }

    /// Looks at every revision that is due.
    pub(crate) fn run_due(&mut self, now: Moment) {
        let due: Vec<Key> =
            self.agenda.iter().take_while(|(due, _)| *due <= now).map(|(_, key)| key.clone()).collect();
        for key in due {
            self.look_at(&key.namespace, &key.name, now);
        }
    }

    /// The orders since the last call, oldest first.
    pub(crate) fn take_orders(&mut self) -> Vec<ScaleTo> {
        std::mem::take(&mut self.orders)
    }

    /// Every revision, by namespace and name.
    pub(crate) fn statuses(&self, now: Moment) -> Vec<Status> {
        let all = self.by_namespace.iter().flat_map(|(namespace, revisions)| {
            revisions.iter().map(move |(name, entry)| entry.status(namespace, name, now))
        });
        all.collect()
    }

    fn entry(&mut self, namespace: &str, name: &str) -> Option<&mut Entry> {
        self.by_namespace.get_mut(namespace)?.get_mut(name).map(Box::as_mut)
    }

    /// Decides and reconciles one revision, orders what follows and puts it on the agenda if it needs another look.
    fn look_at(&mut self, namespace: &str, name: &str, now: Moment) {
        // Clones the names' counters, not the names.
        let Some((namespace, revisions)) = self.by_namespace.get_key_value(namespace) else { return };
        let Some((name, _)) = revisions.get_key_value(name) else { return };
        let key = Key { namespace: namespace.clone(), name: name.clone() };
        let Some(entry) = self.entry(&key.namespace, &key.name) else { return };

        let before = entry.due;
        let order = entry.look(now);
        let after = entry.due;
        if let Some((replicas, reason)) = order {
            let key = (key.namespace.clone(), key.name.clone());
            self.orders.push(ScaleTo { key, replicas, reason });
        }
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.agenda.remove(&(before, key.clone()));
        }
        if let Some(after) = after {
            self.agenda.insert((after, key));
        }
    }

    /// One allocation for all revisions with equal settings.
    fn share(&mut self, settings: Settings) -> Arc<Settings> {
        if let Some(known) = self.shared.iter().find(|known| ***known == settings) {
            return known.clone();
        }
        if self.shared.len() == SHARED_SETTINGS {
            self.shared.remove(0);
        }
        let settings = Arc::new(settings);
        self.shared.push(settings.clone());
        settings
    }
}

#[cfg(test)]
mod tests;
