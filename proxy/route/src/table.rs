//! The route table of one RouteConfiguration. Immutable; a change makes a new table that shares the rest. Knows nothing of
//! where it came from.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;
use forebay_base::rng::Rng;
use forebay_base::turn;
use smallvec::SmallVec;

use crate::action::{Action, Direct, Forward};
use crate::domain::{Domains, Via};
use crate::headers::HeaderOps;
use crate::matcher::{PathRule, RouteMatch};
use crate::per_filter::{Override, PerFilter};
use crate::redirect::{self, Redirect};
use crate::request::RequestView;
use crate::rewrite;
use crate::shards::{Keyed, Shards};
use crate::virtual_host::{Route, VirtualHost};
use crate::weighted::{ClusterIx, Split};

/// Hosts and their routes. Cloning costs a few reference counts.
#[derive(Clone)]
pub struct Table {
    settings: Arc<Settings>,
    domains: Domains,
    /// Virtual hosts by the key their resource has.
    hosts: Shards<Keyed>,
}

/// What a RouteConfiguration says beside its virtual hosts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub name: Arc<str>,
    /// Header operations of all virtual hosts.
    pub headers: HeaderOps,
    /// What filters are told for all virtual hosts.
    pub filters: PerFilter,
    /// `ignore_port_in_host_matching`: a host's `:port` is cut off before hosts are compared.
    pub ignore_port: bool,
    /// `ignore_path_parameters_in_path_matching`: a path is cut at its first `;` before paths are compared.
    pub ignore_path_parameters: bool,
    /// `most_specific_header_mutations_wins`: table first and split last, so that the split's value stays.
    pub most_specific_headers_win: bool,
}

/// A new table, and what could not be part of it.
pub struct Built {
    pub table: Table,
    /// Virtual hosts left out, one conflict each. What such a host's key held before is kept.
    pub refused: Vec<Conflict>,
}

/// Two virtual hosts claim one domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("virtual host {virtual_host}: domain {domain} belongs to {holder} already")]
pub struct Conflict {
    /// The key of the one that is left out.
    pub virtual_host: Arc<str>,
    pub domain: Arc<str>,
    /// The name of the one that has it; the same host when it names the domain twice.
    pub holder: Arc<str>,
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub struct Matched<'t> {
    pub table: &'t Settings,
    pub virtual_host: &'t VirtualHost,
    pub route: &'t Route,
    pub action: Picked<'t>,
}

/// What a request gets, with chance taken into account.
#[derive(Debug, Clone, Copy)]
pub enum Picked<'t> {
    Direct(&'t Direct),
    Forward {
        cluster: ClusterIx,
        split: &'t Split,
        forward: &'t Forward,
    },
    /// Told to come by https: its host wants nothing else, and no route, header operation or filter setting has a say.
    Https,
    Redirect(&'t Redirect),
}

impl<'t> Matched<'t> {
    /// The four levels' header operations in the order to apply them; a later one wins.
    pub fn header_levels(&self) -> impl Iterator<Item = &'t HeaderOps> + use<'t> {
        let split = match self.action {
            Picked::Forward { split, .. } => &split.headers,
            Picked::Direct(_) | Picked::Redirect(_) | Picked::Https => &NO_HEADERS,
        };
        let mut levels = [split, &self.route.headers, &self.virtual_host.headers, &self.table.headers];
        if matches!(self.action, Picked::Https) {
            levels = [&NO_HEADERS; 4];
        } else if self.table.most_specific_headers_win {
            // By Envoy's order a split stays before the others, and so is the one that any of them overrides.
            let [_, rest @ ..] = &mut levels;
            rest.reverse();
        }
        levels.into_iter().filter(|level| !level.is_empty())
    }
}

impl<'t> Matched<'t> {
    /// What the four levels tell a filter, the most specific first.
    pub fn told(&self, filter: &str) -> impl Iterator<Item = &'t Override> {
        let split = match self.action {
            Picked::Forward { split, .. } => &split.filters,
            Picked::Direct(_) | Picked::Redirect(_) | Picked::Https => &NO_FILTERS,
        };
        let levels = match self.action {
            Picked::Https => [&NO_FILTERS; 4],
            _ => [split, &self.route.filters, &self.virtual_host.filters, &self.table.filters],
        };
        levels.into_iter().filter_map(move |level| level.get(filter))
    }
}

impl Table {
    /// A table without hosts.
    pub fn new(settings: Settings) -> Self {
        let hasher = RandomState::default();
        Self { settings: Arc::new(settings), domains: Domains::new(&hasher), hosts: Shards::new(hasher) }
    }

    /// A table of these hosts, each under its name as key (`name#2` and so on where names repeat).
    pub fn build(settings: Settings, hosts: impl IntoIterator<Item = Arc<VirtualHost>>) -> Built {
        let mut seen: HashMap<Arc<str>, u32> = HashMap::new();
        let changes: Vec<_> = hosts
            .into_iter()
            .map(|host| {
                let count = seen.entry(Arc::clone(&host.name)).or_insert(0);
                *count += 1;
                let key = if *count == 1 {
                    Arc::clone(&host.name)
                } else {
                    format!("{}#{count}", host.name).into()
                };
                (key, Some(host))
            })
            .collect();
        Self::new(settings).with(&changes)
    }

    /// The table after these changes (`None` takes the host away), sharing what they do not touch. They happen together:
    /// a domain may pass from one host to another in any order. Of several changes of one key the last counts.
    pub fn with(&self, changes: &[(Arc<str>, Option<Arc<VirtualHost>>)]) -> Built {
        let (accepted, refused) = self.settle(changes);
        let mut table = self.clone();
        for &at in &accepted {
            turn::share();
            let key = &changes[at].0;
            if let Some(old) = self.get(key) {
                table.domains.remove(old);
                table.hosts.remove_of(key, old);
            }
        }
        for &at in &accepted {
            turn::share();
            if let (key, Some(host)) = &changes[at] {
                table.domains.insert(host);
                table.hosts.insert(Keyed { key: Arc::clone(key), host: Arc::clone(host) });
            }
        }
        Built { table, refused }
    }

    /// The same hosts under other settings.
    pub fn with_settings(&self, settings: Settings) -> Self {
        Self { settings: Arc::new(settings), ..self.clone() }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The virtual host under a key.
    pub fn get(&self, key: &str) -> Option<&Arc<VirtualHost>> {
        self.hosts.get(key.as_bytes()).map(|entry| &entry.host)
    }

    /// Keys and virtual hosts, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<VirtualHost>)> {
        self.hosts.iter().map(|entry| (&entry.key, &entry.host))
    }

    /// How many virtual hosts.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The virtual host for an authority in any case, and what kind of domain let it in.
    #[inline]
    pub fn host(&self, authority: &[u8]) -> Option<(&Arc<VirtualHost>, Via<'_>)> {
        let host = match redirect::port_start(authority) {
            Some(at) if self.settings.ignore_port => &authority[..at],
            _ => authority,
        };
        if !host.iter().any(u8::is_ascii_uppercase) {
            return self.domains.find(host);
        }
        let mut lower: SmallVec<[u8; HOST]> = SmallVec::from_slice(host);
        lower.make_ascii_lowercase();
        self.domains.find(&lower)
    }

    /// Where a request goes; `None` = no host or no route (404 in Envoy). Allocates nothing for hosts up to 256
    /// bytes, regular expressions and headers of several values apart.
    #[inline]
    pub fn lookup<R: RequestView + ?Sized>(&self, req: &R, rng: &Rng) -> Option<Matched<'_>> {
        let (virtual_host, _) = self.host(req.authority())?;
        if virtual_host.require_tls.is_broken_by(req) {
            let action = Picked::Https;
            return Some(Matched { table: &self.settings, virtual_host, route: &NO_ROUTE, action });
        }
        let route = virtual_host.route(req, self.path_to_match(req), rng)?;
        let action = match &route.action {
            Action::Direct(direct) => Picked::Direct(direct),
            Action::Forward(forward) => {
                let split = forward.clusters.pick(rng);
                Picked::Forward { cluster: split.cluster, split, forward }
            }
            Action::Redirect(redirect) => Picked::Redirect(redirect),
        };
        Some(Matched { table: &self.settings, virtual_host, route, action })
    }

    /// The part of the path that routes look at.
    #[inline]
    pub(crate) fn path_to_match<'r, R: RequestView + ?Sized>(&self, req: &'r R) -> &'r [u8] {
        let path = rewrite::without_query(req.path());
        match memchr::memchr(b';', path) {
            Some(end) if self.settings.ignore_path_parameters => &path[..end],
            _ => path,
        }
    }

    /// Which changes can be made together, and why the others cannot. A refused change leaves its old host in place, which
    /// may refuse another, so this repeats until nothing more is refused.
    fn settle(&self, changes: &[(Arc<str>, Option<Arc<VirtualHost>>)]) -> (Vec<usize>, Vec<Conflict>) {
        let last: HashMap<&str, usize> =
            changes.iter().enumerate().map(|(at, (key, _))| (&**key, at)).collect();
        let mut accepted: Vec<usize> =
            (0..changes.len()).filter(|at| last[&*changes[*at].0] == *at).collect();
        let mut refused = Vec::new();
        loop {
            let leaving: HashSet<*const VirtualHost> =
                accepted.iter().filter_map(|at| self.get(&changes[*at].0)).map(Arc::as_ptr).collect();
            let mut claimed: HashMap<&str, &VirtualHost> = HashMap::new();
            let before = refused.len();
            accepted.retain(|&at| {
                turn::share();
                let (key, Some(host)) = &changes[at] else { return true };
                let taken = host.domains.iter().enumerate().find_map(|(at, domain)| {
                    let old =
                        self.domains.holder(domain).filter(|holder| !leaving.contains(&Arc::as_ptr(holder)));
                    let holder = match old {
                        Some(old) => &**old,
                        None => claimed.insert(domain, host)?,
                    };
                    Some((at, domain, holder))
                });
                if let Some((at, domain, holder)) = taken {
                    claimed.insert(domain, holder);
                    for own in host.domains.iter().take(at) {
                        claimed.remove(own);
                    }
                    let (domain, holder) = (domain.into(), Arc::clone(&holder.name));
                    refused.push(Conflict { virtual_host: Arc::clone(key), domain, holder });
                    return false;
                }
                true
            });
            if refused.len() == before {
                return (accepted, refused);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn shared(&self, other: &Self) -> [(usize, usize); 2] {
        [self.domains.shared(&other.domains), self.hosts.shared(&other.hosts)]
    }
}

/// Bytes of a host that are lower-cased on the stack: a DNS name has at most 253.
const HOST: usize = 256;

static NO_HEADERS: HeaderOps = HeaderOps::NONE;
/// What a request matches that has to come by https first.
static NO_ROUTE: LazyLock<Route> = LazyLock::new(|| Route {
    name: "".into(),
    matcher: RouteMatch::path(PathRule::Prefix("".into())).into(),
    headers: HeaderOps::NONE,
    filters: PerFilter::NONE,
    action: Action::Redirect(Redirect::to_https().into()),
});
/// What filters are told by a split that is not there.
static NO_FILTERS: PerFilter = PerFilter::NONE;

#[cfg(test)]
mod tests;
