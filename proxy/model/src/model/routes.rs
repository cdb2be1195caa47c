//! RDS: route configurations that some listener names, as tables. Knows nothing of listeners.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::HashMap;
use forebay_base::tree::Tree;
use forebay_base::turn;
use forebay_route::{Action, ClusterIx, Split, Table, VirtualHost};

use super::effects::Effects;
use super::held::{Failure, Held, Kind};
use super::{Body, Model};
use crate::names::Names;
use crate::read::{self, At, Host, Invalid, Shell};
use crate::source::is_file;

/// How long routes wait for their clusters where no listener says how long it waits for routes (`initial_fetch_timeout`): 15 s, as
/// in Envoy. Then they are used without: one cluster that never comes does not keep all other routes back.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes from which on a route configuration is kept where it came instead of as a copy. With it is kept the buffer that it came in,
/// which is as large as the largest response of its stream: a small one is not worth that.
const LARGE: usize = 2 * 1024 * 1024;

/// All route configurations that are wanted and have come, by name.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) configs: HashMap<Arc<str>, Config>,
}

/// One route configuration.
#[derive(Default)]
pub(super) struct Config {
    /// In force.
    pub(super) active: Option<Active>,
    /// To be in force when its clusters are there.
    pending: Option<Box<Pending>>,
}

pub(super) struct Active {
    pub(super) held: Held,
    pub(super) table: Arc<Table>,
    /// More hosts come by VHDS.
    pub(super) vhds: bool,
    /// Bytes that a direct response may have.
    pub(super) direct_body: u32,
    /// The bytes of its own hosts, by key.
    pub(super) own: HashMap<Arc<str>, Bytes>,
    /// Clusters that its routes were put in force without. They are not waited for again: what never comes holds up the
    /// first change that names it, not every one.
    without: BTreeSet<Arc<str>>,
    /// The hosts that came by VHDS, by resource name.
    pub(super) hosts: Tree<Arc<str>, Held>,
}

/// A read configuration that waits for clusters.
struct Pending {
    held: Held,
    shell: Shell,
    hosts: Vec<Host>,
    missing: BTreeSet<Arc<str>>,
    /// When the wait is over.
    until: Instant,
    /// It has waited long enough.
    impatient: bool,
}

impl Routes {
    pub(super) fn table(&self, name: &str) -> Option<&Arc<Table>> {
        Some(&self.configs.get(name)?.active.as_ref()?.table)
    }

    /// Name and state of all that are in force.
    pub(super) fn active(&self) -> impl Iterator<Item = (&Arc<str>, &Active)> {
        self.configs.iter().filter_map(|(name, config)| Some((name, config.active.as_ref()?)))
    }

    /// Name, resource and reason of all that wait.
    pub(super) fn warming(&self) -> impl Iterator<Item = (&Arc<str>, &Held, String)> {
        self.configs.iter().filter_map(|(name, config)| {
            let pending = config.pending.as_deref()?;
            let missing: Vec<&str> = pending.missing.iter().map(|name| &**name).collect();
            Some((name, &pending.held, format!("waits for clusters {}", missing.join(", "))))
        })
    }
}

impl Model {
    pub(super) fn put_route(&mut self, body: Body<'_>, fx: &mut Effects) -> Result<(), Invalid> {
        // What nobody names is nobody's: state-of-the-world servers send more than was asked for.
        if !self.wanted_routes.has(body.name) {
            return Ok(());
        }
        let config = self.routes.configs.entry(body.name.into()).or_default();
        let latest =
            config.pending.as_mut().map(|p| &mut p.held).or(config.active.as_mut().map(|a| &mut a.held));
        if latest.is_some_and(|held| held.same(body.version, body.bytes, &self.examples.others)) {
            return Ok(());
        }
        let large = body.bytes.len() >= LARGE;
        let bytes = if large { body.bytes.clone() } else { Bytes::copy_from_slice(body.bytes) };
        let held = Held::whole(body.version, bytes.clone(), fx.now);
        let active = config.active.as_ref();
        let known = |shell: &Shell, key: &str, bytes: &[u8]| {
            turn::share();
            let active = active.filter(|active| active.direct_body == shell.direct_body)?;
            active.own.get(key).filter(|own| *own == bytes)?;
            active.table.get(key).cloned()
        };
        let read = read::route_config(&bytes, &mut self.names, known)?;
        body.check_name(&read.shell.settings.name)?;
        if read.shell.vhds && is_file(body.name) {
            return Err(At::ROOT.field("vhds").unsupported(format_args!("in a file")));
        }
        let (missing, impatient) = (BTreeSet::new(), false);
        let next =
            Pending { missing, until: held.since, impatient, held, shell: read.shell, hosts: read.hosts };
        next.hosts.iter().for_each(|host| hold(&mut self.names, &host.host));
        self.settle_routes(body.name, next, fx)
    }

    /// Puts a read configuration in force, or lets it wait for its clusters. It holds its clusters already, and gives them
    /// back if it is refused.
    fn settle_routes(&mut self, name: &str, mut next: Pending, fx: &mut Effects) -> Result<(), Invalid> {
        let Some(config) = self.routes.configs.get_mut(name) else { return Ok(()) };
        let built = next_table(config.active.as_ref(), &next)
            .inspect_err(|_| next.hosts.iter().for_each(|host| release(&mut self.names, &host.host)))?;
        let absent = match next.shell.validate_clusters {
            true => missing(&next.hosts, &self.names, |name| self.clusters.is_active(name)),
            false => BTreeSet::new(),
        };
        next.missing = match (&config.active, next.impatient) {
            (_, true) => BTreeSet::new(),
            (Some(active), false) => absent.difference(&active.without).cloned().collect(),
            (None, false) => absent.clone(),
        };
        let mut until = next.held.since + self.listeners.patience(name).unwrap_or(PATIENCE);
        if let Some(replaced) = config.pending.take() {
            // What the one before waited for is not waited for anew: updates that come faster than that would never hold.
            if !next.missing.is_disjoint(&replaced.missing) {
                until = until.min(replaced.until);
            }
            replaced.hosts.iter().for_each(|host| release(&mut self.names, &host.host));
        }
        if !next.missing.is_empty() {
            next.until = until;
            config.pending = Some(Box::new(next));
            self.deadlines.add(until, Kind::Route, &name.into());
            return Ok(());
        }
        let before = config.active.take();
        if let Some(before) = &before {
            let own = before.own.keys().filter_map(|key| before.table.get(key));
            own.for_each(|host| release(&mut self.names, host));
        }
        let vhds = next.shell.vhds;
        match (before.as_ref().is_some_and(|before| before.vhds), vhds) {
            (false, true) => self.wanted_hosts.add(&name.into()),
            (true, false) => self.wanted_hosts.remove(name),
            _ => {}
        }
        let hosts = match before {
            Some(before) if vhds => before.hosts,
            Some(before) => {
                let gone = before.hosts.keys().filter_map(|key| before.table.get(key));
                gone.for_each(|host| release(&mut self.names, host));
                Tree::new()
            }
            None => Tree::new(),
        };
        let table = match built {
            Change::None(table) => table,
            Change::Table(table) => {
                fx.update.tables.push((name.into(), Some(table.clone())));
                table
            }
        };
        config.active = Some(Active {
            table,
            vhds,
            direct_body: next.shell.direct_body,
            without: absent,
            own: next.hosts.into_iter().map(|host| (host.key, host.bytes)).collect(),
            hosts,
            held: next.held,
        });
        self.routes_settled(name, fx);
        Ok(())
    }

    /// Routes have waited long enough, if they still wait: those to clusters that are not there answer 503, the others work.
    pub(super) fn settle_routes_late(&mut self, name: &Arc<str>, fx: &mut Effects) {
        let Some(config) = self.routes.configs.get_mut(name) else { return };
        let Some(mut pending) = config.pending.take_if(|pending| pending.until <= fx.now) else {
            return;
        };
        let missing: Vec<&str> = pending.missing.iter().map(|name| &**name).collect();
        tracing::warn!(routes = %name, missing = missing.join(", "), "routes to clusters that did not come are used without them");
        pending.impatient = true;
        self.settle_waiting(name, *pending, fx);
    }

    /// A cluster came: configurations that waited for it wait no longer.
    pub(super) fn cluster_came(&mut self, cluster: &str, fx: &mut Effects) {
        for active in self.routes.configs.values_mut().filter_map(|config| config.active.as_mut()) {
            active.without.remove(cluster);
        }
        let waits = |config: &Config| {
            config.pending.as_ref().is_some_and(|pending| pending.missing.contains(cluster))
        };
        let waiting: Vec<Arc<str>> = self
            .routes
            .configs
            .iter()
            .filter(|(_, config)| waits(config))
            .map(|(name, _)| name.clone())
            .collect();
        for name in waiting {
            let Some(config) = self.routes.configs.get_mut(&name) else { continue };
            let Some(mut pending) = config.pending.take() else { continue };
            pending.missing.remove(cluster);
            if !pending.missing.is_empty() {
                config.pending = Some(pending);
                continue;
            }
            self.settle_waiting(&name, *pending, fx);
        }
    }

    fn settle_waiting(&mut self, name: &Arc<str>, pending: Pending, fx: &mut Effects) {
        let version = pending.held.version.text().into();
        let bytes = pending.held.bytes(&self.examples.others);
        if let Err(why) = self.settle_routes(name, pending, fx) {
            // Its own change was accepted long ago: this one must not be refused for it.
            let failure = Failure { version, message: why.to_string(), bytes, since: fx.now };
            self.failures.insert((Kind::Route, name.clone()), failure);
        }
    }

    /// No listener names these routes any more.
    pub(super) fn drop_routes(&mut self, name: &Arc<str>, fx: &mut Effects) {
        self.failures.remove(&(Kind::Route, name.clone()));
        let Some(config) = self.routes.configs.remove(name) else { return };
        for host in config.pending.iter().flat_map(|pending| &pending.hosts) {
            release(&mut self.names, &host.host);
        }
        if let Some(active) = config.active {
            active.table.hosts().for_each(|(_, host)| release(&mut self.names, host));
            if active.vhds {
                self.wanted_hosts.remove(name);
            }
            fx.update.tables.push((name.clone(), None));
        }
    }
}

enum Change {
    /// The table is the one that is there.
    None(Arc<Table>),
    Table(Arc<Table>),
}

/// The table that a configuration makes of the one before, sharing what stays.
fn next_table(active: Option<&Active>, next: &Pending) -> Result<Change, Invalid> {
    let list = At::ROOT.field("virtual_hosts");
    let settings = &next.shell.settings;
    let Some(active) = active else {
        let changes: Vec<_> =
            next.hosts.iter().map(|host| (host.key.clone(), Some(host.host.clone()))).collect();
        let built = Table::new(settings.clone()).with(&changes);
        return match built.refused.into_iter().next() {
            Some(conflict) => Err(list.refuse(read::duplicate(conflict))),
            None => Ok(Change::Table(Arc::new(built.table))),
        };
    };
    let mut changes: Vec<(Arc<str>, Option<Arc<VirtualHost>>)> = Vec::new();
    for host in &next.hosts {
        turn::share();
        if active.table.get(&host.key).is_none_or(|before| !Arc::ptr_eq(before, &host.host)) {
            changes.push((host.key.clone(), Some(host.host.clone())));
        }
    }
    if changes.len() != next.hosts.len() || !active.own.is_empty() {
        let kept: foldhash::HashSet<&str> = next.hosts.iter().map(|host| &*host.key).collect();
        changes
            .extend(active.own.keys().filter(|key| !kept.contains(&***key)).map(|key| (key.clone(), None)));
    }
    if !next.shell.vhds {
        changes.extend(active.hosts.keys().map(|key| (key.clone(), None)));
    }
    let same_settings = active.table.settings() == settings;
    if changes.is_empty() && same_settings {
        return Ok(Change::None(active.table.clone()));
    }
    let built = match same_settings {
        true => active.table.with(&changes),
        false => active.table.with_settings(settings.clone()).with(&changes),
    };
    match built.refused.into_iter().next() {
        Some(conflict) => Err(list.refuse(read::duplicate(conflict))),
        None => Ok(Change::Table(Arc::new(built.table))),
    }
}

fn missing(hosts: &[Host], names: &Names, there: impl Fn(&str) -> bool) -> BTreeSet<Arc<str>> {
    let all = hosts.iter().inspect(|_| turn::share()).flat_map(|host| clusters(&host.host));
    all.filter_map(|ix| names.name(ix)).filter(|name| !there(name)).cloned().collect()
}

/// Every cluster that a host's routes name, as often as they do.
pub(super) fn clusters(host: &VirtualHost) -> impl Iterator<Item = ClusterIx> + '_ {
    host.routes.iter().flat_map(|route| {
        let splits = match &route.action {
            Action::Forward(forward) => forward.clusters.splits(),
            Action::Direct(_) | Action::Redirect(_) => &[],
        };
        splits.iter().map(|split| split.cluster).filter(|ix| *ix != Split::BY_HEADER)
    })
}

/// A host's clusters are named once more.
pub(super) fn hold(names: &mut Names, host: &VirtualHost) {
    turn::share();
    clusters(host).for_each(|ix| names.hold(ix));
}

/// A host's clusters are named once less.
pub(super) fn release(names: &mut Names, host: &VirtualHost) {
    turn::share();
    clusters(host).for_each(|ix| names.release(ix));
}
