//! What the live table shows: asks the parts, and only about what may have changed. Knows nothing of terminals.

mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use forebay_gateway::Gateway;
use forebay_knative::api::{Kind, Status};
use forebay_knative::world::{ServiceView, World};
use forebay_knative::{Key, RevisionKey};
use forebay_telemetry::{Cluster, ClusterTime, Http};
use forebay_xds_control::translate::{STAT_PREFIX, cluster_name};

use super::endpoints::Ready;
use super::screen::table::{Revision, Service, Table};
use window::{Sample, Window};

/// Services handed to the screen; no terminal has as many rows.
const MOST: usize = 200;

/// What is known between two looks.
#[derive(Default)]
pub(super) struct Watch {
    services: Vec<Known>,
    changed: bool,
    /// Revisions that should have replicas, how many, and what is counted of them.
    live: BTreeMap<RevisionKey, Live>,
    /// Requests that came, were answered and are here, of all.
    requests: Option<[u64; 3]>,
}

#[derive(Default)]
struct Live {
    wanted: u32,
    window: Window,
    waiting: u32,
    in_flight: u32,
}

/// What changes only with the world.
struct Known {
    name: String,
    url: String,
    problem: Option<String>,
    revisions: Vec<KnownRevision>,
}

struct KnownRevision {
    key: RevisionKey,
    share: String,
    failure: Option<String>,
}

impl Watch {
    /// Objects are not what they were.
    pub(super) fn changed(&mut self) {
        self.changed = true;
    }

    /// There should be so many replicas.
    pub(super) fn scaled(&mut self, key: &RevisionKey, replicas: u32, gateway: &Gateway) {
        self.changed = true;
        // Counted from now on: a request answered before the next look is seen, too.
        let new = || Live { window: Window::new(sample(gateway, key)), ..Live::default() };
        self.live.entry(key.clone()).or_insert_with(new).wanted = replicas;
    }

    /// It runs no more.
    pub(super) fn removed(&mut self, key: &RevisionKey) {
        self.live.remove(key);
    }

    /// The table, if it may be another one than at the last look.
    pub(super) fn look(
        &mut self,
        world: &World,
        gateway: &Gateway,
        ready: &Ready,
        port: u16,
    ) -> Option<Table> {
        let requests = gateway.http(STAT_PREFIX).map(|totals| {
            [Http::DownstreamRqTotal, Http::DownstreamRqCompleted, Http::DownstreamRqActive]
                .map(|s| totals.get(s))
        });
        let is_quiet = requests == self.requests && requests.is_none_or(|[.., active]| active == 0);
        self.requests = requests;
        if is_quiet && !self.changed && !self.live.values().any(|live| live.window.is_moving()) {
            return None;
        }
        if std::mem::take(&mut self.changed) {
            self.services = world.services().map(|view| known(world, view, port)).collect();
        }
        for (key, live) in &mut self.live {
            (live.waiting, live.in_flight) = gateway.load(&cluster_name(key));
            live.window.add(sample(gateway, key));
        }
        // One at zero that nobody asks for costs nothing.
        self.live.retain(|key, live| {
            live.wanted > 0 || live.window.is_moving() || live.waiting > 0 || ready.count(key) > 0
        });
        Some(self.table(ready))
    }

    fn table(&self, ready: &Ready) -> Table {
        let mut ranked: Vec<(u64, &Known)> =
            self.services.iter().map(|service| (self.busy(service), service)).collect();
        let total = ranked.len();
        if total > MOST {
            ranked.sort_by_key(|(busy, _)| std::cmp::Reverse(*busy));
            ranked.truncate(MOST);
            ranked.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        }
        let services = ranked.into_iter().map(|(busy, service)| self.service(busy, service, ready)).collect();
        Table { services, total }
    }

    /// How much there is to see: what failed first, then who has most to do.
    fn busy(&self, service: &Known) -> u64 {
        let failed = service.problem.is_some() || service.revisions.iter().any(|r| r.failure.is_some());
        let load: f64 =
            service.revisions.iter().filter_map(|revision| self.live.get(&revision.key)).map(work).sum();
        // More than any machine answers in a second.
        const FAILED: u64 = 1 << 40;
        load as u64 + if failed { FAILED } else { 0 }
    }

    fn service(&self, busy: u64, service: &Known, ready: &Ready) -> Service {
        let revisions = service.revisions.iter().map(|revision| {
            let ready = ready.count(&revision.key);
            let row = Revision {
                name: revision.key.name.to_string(),
                share: revision.share.clone(),
                ready,
                failure: revision.failure.clone(),
                ..Revision::default()
            };
            let Some(live) = self.live.get(&revision.key) else { return row };
            Revision {
                wanted: live.wanted,
                waiting: live.waiting,
                in_flight: live.in_flight,
                rate: live.window.rate(),
                p50: live.window.quantile(0.5),
                p99: live.window.quantile(0.99),
                ..row
            }
        });
        Service {
            name: service.name.clone(),
            url: service.url.clone(),
            busy,
            revisions: revisions.collect(),
            problem: service.problem.clone(),
        }
    }
}

fn work(live: &Live) -> f64 {
    1.0 + live.window.rate() + f64::from(live.waiting) + f64::from(live.in_flight)
}

fn sample(gateway: &Gateway, key: &RevisionKey) -> Sample {
    let totals = gateway.cluster(&cluster_name(key));
    Sample {
        at: Instant::now(),
        answered: totals.as_ref().map_or(0, |totals| totals.get(Cluster::UpstreamRqCompleted)),
        times: totals.and_then(|totals| totals.time(ClusterTime::UpstreamRq).cloned()),
    }
}

fn known(world: &World, view: ServiceView, port: u16) -> Known {
    let namespace = &view.key.namespace;
    // Those with a share, those with nothing but tags, and the one that is not there yet.
    let served = view.traffic.iter().map(|traffic| &traffic.revision);
    let created = view.latest_created.iter();
    let mut seen = BTreeSet::new();
    let names: Vec<_> = served.chain(created).filter(|name| seen.insert(name.as_ref().to_owned())).collect();
    let revisions: Vec<KnownRevision> = names
        .into_iter()
        .map(|name| {
            let own = view.traffic.iter().filter(|traffic| traffic.revision == *name);
            let (tagged, plain): (Vec<_>, Vec<_>) = own.partition(|traffic| traffic.tag.is_some());
            let percent: u32 = plain.iter().map(|traffic| u32::from(traffic.percent)).sum();
            let tags: BTreeSet<&str> = tagged.iter().filter_map(|traffic| traffic.tag.as_deref()).collect();
            let share = match (plain.is_empty() || percent == 0, tags.is_empty()) {
                (false, _) => format!("{percent}%"),
                (true, false) => tags.into_iter().collect::<Vec<_>>().join(","),
                (true, true) => "-".to_owned(),
            };
            KnownRevision {
                share,
                failure: failure(world, Kind::Revision, namespace, name),
                key: RevisionKey::new(namespace.clone(), name.clone()),
            }
        })
        .collect();
    let has_failed = revisions.iter().any(|revision| revision.failure.is_some());
    let problem = if has_failed { None } else { failure(world, Kind::Service, namespace, &view.key.name) };
    Known {
        name: if &**namespace == "default" { view.key.name.to_string() } else { view.key.to_string() },
        url: if port == 80 { view.url } else { format!("{}:{port}", view.url) },
        problem,
        revisions,
    }
}

/// The row names the revision already; what else its message begins with is left out, too.
fn failure(world: &World, kind: Kind, namespace: &str, name: &str) -> Option<String> {
    let ready = world.conditions(kind, &Key::new(namespace, name)).into_iter().next()?;
    if ready.status != Status::False {
        return None;
    }
    let own = format!("revision {namespace}/{name} ");
    let message = match ready.message.strip_prefix(&own).and_then(|rest| rest.split_once("): ")) {
        Some((_, message)) => message,
        None => &*ready.message,
    };
    Some(match (&*ready.reason, message) {
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    })
}
