//! The publisher's state: which resources are held, which wait for others, and what the workers obey. Every call costs
//! what it changes. Knows nothing of workers, streams or sockets; time is an argument.
//!
//! ```text
//! Listener ── names ──> RouteConfiguration (RDS) ── has more ──> VirtualHost (VHDS)
//! VirtualHost ── names ──> Cluster (CDS) ── names ──> ClusterLoadAssignment (EDS)
//! ```
//!
//! A listener waits for its routes and a cluster for its endpoints, for as long as their sources allow; what they replace
//! stays in force meanwhile. Listeners and clusters live until they are removed, routes and endpoints for as long as
//! somebody names them.

mod clusters;
mod deadlines;
mod effects;
mod endpoints;
mod held;
mod listeners;
mod report;
mod resolve;
mod routes;
mod virtual_hosts;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use foldhash::HashMap;
use forebay_base::turn;

use crate::names::Names;
use crate::read::{At, Invalid, Rule, name_of, text};
use crate::source::own_name;
use crate::update::{Applied, Resource};
use clusters::Clusters;
use deadlines::Deadlines;
use effects::{Effects, Wanted};
use endpoints::Assignments;
use held::{AllExamples, Failure, FailureKey, Kind};
use listeners::Listeners;
use routes::Routes;

/// All configuration. See the module.
pub struct Model {
    names: Names,
    listeners: Listeners,
    routes: Routes,
    clusters: Clusters,
    assignments: Assignments,
    wanted_routes: Wanted,
    wanted_hosts: Wanted,
    /// Who waits for something, and how long.
    deadlines: Deadlines,
    /// Resources whose last version was refused.
    failures: HashMap<FailureKey, Failure>,
    examples: AllExamples,
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// Nothing.
    pub fn new() -> Self {
        Model {
            names: Names::default(),
            listeners: Listeners::default(),
            routes: Routes::default(),
            clusters: Clusters::default(),
            assignments: Assignments::default(),
            wanted_routes: Wanted::of(Kind::Route),
            wanted_hosts: Wanted::of(Kind::VirtualHost),
            deadlines: Deadlines::default(),
            failures: HashMap::default(),
            examples: AllExamples::default(),
        }
    }

    /// Listeners and clusters of the bootstrap file: no stream can replace or remove them.
    pub fn bootstrap(
        &mut self,
        listeners: &[Resource<'_>],
        clusters: &[Resource<'_>],
        now: Instant,
    ) -> Applied {
        let mut fx = Effects::new(now);
        self.put_all(Kind::Cluster, Origin::Bootstrap, &named(clusters), &mut fx);
        self.put_all(Kind::Listener, Origin::Bootstrap, &named(listeners), &mut fx);
        self.finish(fx)
    }

    /// What a stream says of one type. `full`: what it does not name does not exist, which only listeners and clusters can
    /// be told (state of the world); other types live as long as somebody names them.
    ///
    /// Valid resources are applied even if others of the same change are refused. Bytes that are known already do nothing.
    pub fn apply(
        &mut self,
        type_url: &str,
        full: bool,
        added: &[Resource<'_>],
        removed: &[String],
        now: Instant,
    ) -> Applied {
        let mut fx = Effects::new(now);
        let added = &*named(added);
        match Kind::of(type_url) {
            Some(Kind::Listener) => {
                // Removals first: an address may pass from one listener to another.
                self.remove_listeners(&self.gone_listeners(full, added, removed), &mut fx);
                self.put_all(Kind::Listener, Origin::Stream, added, &mut fx);
            }
            Some(Kind::Cluster) => {
                // Removals last: routes may be on their way from one cluster to another.
                self.put_all(Kind::Cluster, Origin::Stream, added, &mut fx);
                self.remove_clusters(&self.gone_clusters(full, added, removed), &mut fx);
            }
            Some(kind @ (Kind::Route | Kind::Endpoints)) => {
                self.put_all(kind, Origin::Stream, added, &mut fx);
                for name in removed {
                    self.absent(kind, name, &mut fx);
                }
            }
            Some(Kind::VirtualHost) => self.put_virtual_hosts(added, removed, &mut fx),
            None => {
                let why = At::ROOT.refuse(Rule::UnknownResource(type_url.to_owned()));
                let why = why.to_string();
                added.iter().for_each(|resource| fx.reject(resource.name, &why, false));
            }
        }
        self.finish(fx)
    }

    /// The stream waited for this resource in vain: what waits for it goes on without.
    pub fn does_not_exist(&mut self, type_url: &str, name: &str, now: Instant) -> Applied {
        let mut fx = Effects::new(now);
        if let Some(kind @ (Kind::Route | Kind::Endpoints)) = Kind::of(type_url) {
            self.absent(kind, name, &mut fx);
        }
        self.finish(fx)
    }

    /// What waited too long goes on without. To be called at [`Model::next_deadline`]; too early does nothing.
    pub fn tick(&mut self, now: Instant) -> Applied {
        let mut fx = Effects::new(now);
        while let Some((kind, name)) = self.deadlines.due(now) {
            match kind {
                Kind::Listener => self.warm_listener_late(&name, &mut fx),
                Kind::Route => self.settle_routes_late(&name, &mut fx),
                _ => self.warm_cluster_late(&name, &mut fx),
            }
        }
        self.finish(fx)
    }

    /// Whether no listener waits for its routes.
    pub fn listeners_warm(&self) -> bool {
        self.listeners.warming().next().is_none()
    }

    /// Whether a cluster still waits for its endpoints or addresses.
    pub fn clusters_warm(&self) -> bool {
        self.clusters.warming().next().is_none()
    }

    /// When [`Model::tick`] has something to do, if nothing else happens.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    fn put_all(&mut self, kind: Kind, origin: Origin, added: &[Resource<'_>], fx: &mut Effects) {
        for resource in added {
            turn::share();
            let result = body(kind, resource).and_then(|body| match kind {
                Kind::Cluster => self.put_cluster(origin, body, fx),
                Kind::Endpoints => self.put_endpoints(body, fx),
                Kind::Listener => self.put_listener(origin, body, fx),
                Kind::Route | Kind::VirtualHost => self.put_route(body, fx),
            });
            self.verdict(kind, resource, result, fx);
        }
    }

    /// Remembers and reports what is wrong with a resource, or forgets what was.
    fn verdict(
        &mut self,
        kind: Kind,
        resource: &Resource<'_>,
        result: Result<(), Invalid>,
        fx: &mut Effects,
    ) {
        match result {
            Ok(()) if self.failures.is_empty() => {}
            Ok(()) => drop(self.failures.remove(&(kind, resource.name.into()))),
            Err(why) => {
                let failure = Failure {
                    version: resource.version.into(),
                    message: why.to_string(),
                    bytes: Bytes::copy_from_slice(&resource.body.value),
                    since: fx.now,
                };
                self.fail((kind, resource.name.into()), failure, fx);
            }
        }
    }

    /// Remembers a refusal and reports it.
    fn fail(&mut self, key: FailureKey, failure: Failure, fx: &mut Effects) {
        let before = self.failures.get(&key);
        let same = |before: &Failure| before.version == failure.version && before.message == failure.message;
        fx.reject(&key.1, &failure.message, before.is_some_and(same));
        self.failures.insert(key, failure);
    }

    /// A resource was refused before it came here: what is in force stays, and the refusal is remembered until the resource
    /// comes again.
    pub fn refused(&mut self, type_url: &str, name: &str, message: &str, now: Instant) {
        let Some(kind) = Kind::of(type_url) else { return };
        let (version, message) = ("".into(), message.to_owned());
        let failure = Failure { version, message, bytes: Bytes::new(), since: now };
        self.failures.insert((kind, name.into()), failure);
    }

    /// A listener is open that was [refused](Model::refused) because it could not be opened.
    pub fn opened(&mut self, listener: &str) {
        self.failures.remove(&(Kind::Listener, listener.into()));
    }

    /// Drops what nobody names any more, and says what the stream should bring.
    fn finish(&mut self, mut fx: Effects) -> Applied {
        // Routes first: those that go may be the last to want their virtual hosts.
        let routes = self.wanted_routes.changes();
        for name in routes.iter().flat_map(|interest| &interest.remove) {
            self.drop_routes(name, &mut fx);
        }
        let hosts = self.wanted_hosts.changes();
        let endpoints = self.assignments.changes();
        for name in endpoints.iter().flat_map(|interest| &interest.remove) {
            self.drop_endpoints(name);
        }
        self.names.settle(fx.now);
        fx.applied([endpoints, routes, hosts].into_iter().flatten().collect())
    }
}

/// Where a listener or cluster comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The bootstrap file: fixed.
    Bootstrap,
    /// A stream, which may replace and remove it.
    Stream,
}

/// Resources whose envelope names none, as in the state of the world, are called what they call themselves.
fn named<'a>(resources: &[Resource<'a>]) -> Vec<Resource<'a>> {
    /// Where all five types have their name.
    const NAME: u32 = 1;
    let own = |resource: &Resource<'a>| text(&resource.body.value, NAME).ok().flatten().unwrap_or_default();
    let name = |resource: &Resource<'a>| if resource.name.is_empty() { own(resource) } else { resource.name };
    resources.iter().map(|resource| Resource { name: name(resource), ..*resource }).collect()
}

/// A resource whose body says that it is what it should be.
#[derive(Clone, Copy)]
struct Body<'a> {
    name: &'a str,
    version: &'a str,
    bytes: &'a Bytes,
}

fn body<'a>(kind: Kind, resource: &Resource<'a>) -> Result<Body<'a>, Invalid> {
    // The part behind the slash names the type; what stands before it is nobody's business.
    if name_of(&resource.body.type_url) != name_of(kind.type_url()) {
        return Err(At::ROOT.refuse(Rule::UnknownResource(resource.body.type_url.clone())));
    }
    Ok(Body { name: resource.name, version: resource.version, bytes: &resource.body.value })
}

impl Body<'_> {
    /// The resource's name: the body's own, which the envelope's has to agree with.
    fn check_name(&self, inner: &str) -> Result<(), Invalid> {
        self.check_name_at("name", inner)
    }

    /// The same of a resource that has its name in another field.
    fn check_name_at(&self, field: &'static str, inner: &str) -> Result<(), Invalid> {
        let outer = own_name(self.name);
        if outer == inner {
            return Ok(());
        }
        let rule = Rule::Misnamed { inner: inner.to_owned(), outer: outer.to_owned() };
        Err(At::ROOT.field(field).refuse(rule))
    }
}

/// A name as a key of failures and the like.
fn key(name: &str) -> Arc<str> {
    name.into()
}
