//! LDS: listeners, and their wait for routes. Knows nothing of what is in a route.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::{HashMap, HashSet};
use forebay_proto::envoy::config::listener::v3 as pb;
use forebay_route::VirtualHost;

use super::effects::Effects;
use super::held::{Held, Kind};
use super::routes::{hold, release};
use super::{Body, Model, Origin, key};
use crate::listener::Listener;
use crate::read::{self, At, Invalid, ReadListener, Routes};
use crate::update::Resource;

/// All listeners, by name.
#[derive(Default)]
pub(super) struct Listeners {
    entries: HashMap<Arc<str>, Entry>,
}

struct Entry {
    origin: Origin,
    /// In force.
    active: Option<Version>,
    /// To be in force when its routes are there.
    warming: Option<Warming>,
}

struct Version {
    held: Held,
    listener: Arc<Listener>,
    routes: Vec<Source>,
}

/// Where a version's routes come from, and what it therefore keeps alive.
enum Source {
    /// By name, and how long they are waited for; `None` is for ever.
    Rds(Arc<str>, Option<Duration>),
    Inline(Vec<Arc<VirtualHost>>),
}

struct Warming {
    version: Version,
    /// When the wait is over; `None` is never.
    until: Option<Instant>,
    /// Routes that do not exist: they are not waited for.
    absent: Vec<Arc<str>>,
}

impl Listeners {
    /// Name, resource and listener of all that are in force.
    pub(super) fn active(&self) -> impl Iterator<Item = (&Arc<str>, &Held, &Arc<Listener>)> {
        self.entries.iter().filter_map(|(name, entry)| {
            let version = entry.active.as_ref()?;
            Some((name, &version.held, &version.listener))
        })
    }

    /// How long whoever uses these routes waits for them, as far as that is said: the most patient of them.
    pub(super) fn patience(&self, routes: &str) -> Option<Duration> {
        let versions = self.entries.values().flat_map(|entry| {
            entry.active.iter().chain(entry.warming.as_ref().map(|warming| &warming.version))
        });
        let waits = versions.flat_map(|version| &version.routes).filter_map(|source| match source {
            Source::Rds(name, wait) if **name == *routes => *wait,
            _ => None,
        });
        waits.max()
    }

    /// Whether it is of the bootstrap file.
    pub(super) fn is_fixed(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.origin == Origin::Bootstrap)
    }

    /// Name, resource and reason of all that wait.
    pub(super) fn warming(&self) -> impl Iterator<Item = (&Arc<str>, &Held, String)> {
        self.entries.iter().filter_map(|(name, entry)| {
            let version = &entry.warming.as_ref()?.version;
            let waits = |source: &Source| match source {
                Source::Rds(routes, _) => Some(format!("{routes:?}")),
                Source::Inline(_) => None,
            };
            let routes: Vec<String> = version.routes.iter().filter_map(waits).collect();
            Some((name, &version.held, format!("waits for route configuration {}", routes.join(", "))))
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Listener>> {
        Some(&self.entries.get(name)?.active.as_ref()?.listener)
    }
}

impl Model {
    pub(super) fn put_listener(
        &mut self,
        origin: Origin,
        body: Body<'_>,
        fx: &mut Effects,
    ) -> Result<(), Invalid> {
        if let Some(entry) = self.listeners.entries.get_mut(body.name) {
            if entry.origin == Origin::Bootstrap && origin == Origin::Stream {
                return Ok(());
            }
            let latest = entry.warming.as_mut().map(|w| &mut w.version).or(entry.active.as_mut());
            if latest
                .is_some_and(|version| version.held.same(body.version, body.bytes, &self.examples.others))
            {
                return Ok(());
            }
        }
        let message: pb::Listener = read::decode(&At::ROOT, body.bytes)?;
        body.check_name(&message.name)?;
        let ReadListener { listener, routes } = read::listener(&message, &mut self.names)?;
        let name = listener.name.clone();
        // As long as the most patient of its sources; `None` is for ever.
        let mut wait = Some(Duration::ZERO);
        let mut sources = Vec::with_capacity(routes.len());
        for routes in routes {
            sources.push(match routes {
                Routes::Rds { name, wait: own } => {
                    wait = wait.zip(own).map(|(a, b)| a.max(b));
                    Source::Rds(name, own)
                }
                Routes::Inline { hosts } => Source::Inline(hosts),
            });
        }
        let version = Version {
            held: Held::whole(body.version, Bytes::copy_from_slice(body.bytes), fx.now),
            listener: Arc::new(listener),
            routes: sources,
        };
        self.keep(&version.routes);
        let ready = self.have(&version.routes, &[]);
        let entry = self.listeners.entries.entry(name.clone()).or_insert(Entry {
            origin,
            active: None,
            warming: None,
        });
        let until = wait.map(|wait| fx.now + wait);
        let replaced = entry.warming.replace(Warming { version, until, absent: Vec::new() });
        if let Some(until) = until
            && !ready
        {
            self.deadlines.add(until, Kind::Listener, &name);
        }
        if let Some(replaced) = replaced {
            self.let_go(&replaced.version.routes);
        }
        if ready {
            self.activate_listener(&name, fx);
        }
        Ok(())
    }

    /// Names that a change takes away.
    pub(super) fn gone_listeners(
        &self,
        full: bool,
        added: &[Resource<'_>],
        removed: &[String],
    ) -> Vec<Arc<str>> {
        let entries = &self.listeners.entries;
        let all = entries.iter().filter(|(_, entry)| entry.origin == Origin::Stream).map(|(name, _)| name);
        let known = |name: &str| entries.get(name).is_none_or(|entry| entry.origin == Origin::Stream);
        gone(all, known, full, added, removed)
    }

    pub(super) fn remove_listeners(&mut self, names: &[Arc<str>], fx: &mut Effects) {
        for name in names {
            self.failures.remove(&(Kind::Listener, name.clone()));
            let Some(entry) = self.listeners.entries.remove(name) else { continue };
            if let Some(warming) = entry.warming {
                self.let_go(&warming.version.routes);
            }
            if let Some(active) = entry.active {
                self.let_go(&active.routes);
                fx.update.listeners.push((name.clone(), None));
            }
        }
    }

    /// The routes that listeners waited for are there, or will not come.
    pub(super) fn routes_settled(&mut self, routes: &str, fx: &mut Effects) {
        let is = |source: &Source| matches!(source, Source::Rds(name, _) if **name == *routes);
        let waits = |entry: &Entry| entry.warming.as_ref().is_some_and(|w| w.version.routes.iter().any(is));
        let ready: Vec<_> = self
            .listeners
            .entries
            .iter()
            .filter(|(_, entry)| waits(entry))
            .map(|(name, _)| name.clone())
            .collect();
        for name in ready {
            if self.routes.table(routes).is_none()
                && let Some(warming) = self.waiting(&name)
            {
                warming.absent.push(routes.into());
            }
            let all = |w: &Warming| self.have(&w.version.routes, &w.absent);
            if self.listeners.entries.get(&name).and_then(|entry| entry.warming.as_ref()).is_some_and(all) {
                self.activate_listener(&name, fx);
            }
        }
    }

    fn waiting(&mut self, name: &str) -> Option<&mut Warming> {
        self.listeners.entries.get_mut(name)?.warming.as_mut()
    }

    /// A listener's wait is over, if it still waits.
    pub(super) fn warm_listener_late(&mut self, name: &Arc<str>, fx: &mut Effects) {
        let Some(entry) = self.listeners.entries.get(name) else { return };
        let over = |warming: &Warming| warming.until.is_some_and(|until| until <= fx.now);
        if entry.warming.as_ref().is_some_and(over) {
            self.activate_listener(name, fx);
        }
    }

    fn activate_listener(&mut self, name: &Arc<str>, fx: &mut Effects) {
        let Some(entry) = self.listeners.entries.get_mut(name) else { return };
        let Some(Warming { mut version, .. }) = entry.warming.take() else { return };
        let before = entry.active.take();
        // Other bytes may say the same: then there is nothing to tell anybody.
        let same = before.as_ref().filter(|before| *before.listener == *version.listener);
        match same {
            Some(before) => version.listener = before.listener.clone(),
            None => fx.update.listeners.push((name.clone(), Some(version.listener.clone()))),
        }
        entry.active = Some(version);
        if let Some(before) = before {
            self.let_go(&before.routes);
        }
    }

    /// Whether all routes are there that exist.
    fn have(&self, sources: &[Source], absent: &[Arc<str>]) -> bool {
        sources.iter().all(|source| match source {
            Source::Rds(routes, _) => self.routes.table(routes).is_some() || absent.contains(routes),
            Source::Inline(_) => true,
        })
    }

    fn keep(&mut self, sources: &[Source]) {
        for source in sources {
            match source {
                Source::Rds(routes, _) => self.wanted_routes.add(routes),
                Source::Inline(hosts) => hosts.iter().for_each(|host| hold(&mut self.names, host)),
            }
        }
    }

    fn let_go(&mut self, sources: &[Source]) {
        for source in sources {
            match source {
                Source::Rds(routes, _) => self.wanted_routes.remove(routes),
                Source::Inline(hosts) => hosts.iter().for_each(|host| release(&mut self.names, host)),
            }
        }
    }
}

/// The names that a change takes away: `known` ones named as removed, or with `full`, of `all`, those not named at all. One
/// that is named and refused keeps its last good version.
pub(super) fn gone<'k>(
    all: impl Iterator<Item = &'k Arc<str>>,
    known: impl Fn(&str) -> bool,
    full: bool,
    added: &[Resource<'_>],
    removed: &[String],
) -> Vec<Arc<str>> {
    if full {
        let named: HashSet<&str> = added.iter().map(|resource| resource.name).collect();
        return all.filter(|name| !named.contains(&***name)).cloned().collect();
    }
    removed.iter().map(|name| key(name)).filter(|name| known(name)).collect()
}
