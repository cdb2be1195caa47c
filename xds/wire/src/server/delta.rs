//! Incremental xDS, the server's half. Knows nothing of the order between types.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use forebay_proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};
use forebay_proto::{Any, type_url};

use super::lane::{Gone, Lane};
use super::order::Horizons;
use super::{Ask, Catalog, Entry, Moment, RETURN, Sent, Variant};
use crate::subscription::{Subscription, WILDCARD};

/// Incremental xDS.
#[derive(Debug)]
pub enum Delta {}

impl Variant for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn parse(request: DeltaDiscoveryRequest) -> Ask {
        Ask {
            node: request.node,
            type_url: request.type_url,
            nonce: request.response_nonce,
            error: request.error_detail,
            subscribe: request.resource_names_subscribe,
            unsubscribe: request.resource_names_unsubscribe,
            held: request.initial_resource_versions,
            ..Ask::default()
        }
    }

    fn absorb<C: Catalog>(lane: &mut Lane, ask: Ask, moment: Moment, catalog: &C) {
        if moment.fresh {
            open(lane, ask.subscribe, &ask.held, catalog, moment.now);
        } else {
            ask.subscribe.into_iter().for_each(|name| subscribe(lane, name, catalog));
            ask.unsubscribe.iter().for_each(|name| unsubscribe(lane, name));
        }
    }

    fn respond<C: Catalog>(
        lane: &mut Lane,
        horizons: Horizons,
        nonce: String,
        catalog: &C,
    ) -> Option<Sent<DeltaDiscoveryResponse>> {
        let mut draft = Draft::new(&lane.type_url, lane.chunk);
        let pending = LazyCell::new(|| -> BTreeSet<&str> {
            catalog.removed(&lane.type_url, lane.removals, u64::MAX).map(|e| e.name).collect()
        });
        let mut paid = Vec::new();
        for name in &lane.owed {
            // Who subscribes to thousands is owed them over many responses: each looks at its own.
            if draft.is_full() {
                break;
            }
            match catalog.find(&lane.type_url, name) {
                // Asked for or not, it must not overtake what it refers to.
                Some(entry) if entry.seq > horizons.additions => continue,
                Some(entry) => draft.add(entry),
                // Its removal is on its way and must not overtake those who let go of it.
                None if pending.contains(&**name) => {}
                None => draft.remove(name),
            }
            paid.push(name.clone());
        }
        for name in paid {
            lane.owed.remove(&name);
        }
        for entry in catalog.changed(&lane.type_url, lane.additions, horizons.additions) {
            if draft.is_full() {
                break;
            }
            lane.additions = entry.seq;
            if lane.covers(entry.name) {
                draft.add(entry);
            }
        }
        if !draft.is_full() {
            lane.additions = lane.additions.max(horizons.additions);
        }
        for entry in catalog.removed(&lane.type_url, lane.removals, horizons.removals) {
            if draft.is_full() {
                break;
            }
            if lane.covers(entry.name) {
                draft.remove(entry.name);
            }
            lane.removals = entry.seq;
        }
        if !draft.is_full() {
            lane.removals = lane.removals.max(horizons.removals);
        }
        if lane.gone.as_ref().is_some_and(|gone| horizons.removals >= gone.seq && horizons.may_remove)
            && let Some(gone) = lane.gone.take()
        {
            // What is back by now was sent as a change; what is no longer asked for was let go.
            let tell = gone.names.iter().filter(|name| lane.covers(name));
            tell.filter(|name| catalog.find(&lane.type_url, name).is_none())
                .for_each(|name| draft.remove(name));
        }
        (lane.greet || !draft.names.is_empty()).then(|| draft.finish(nonce, catalog.head()))
    }
}

/// The first request of a type on a stream: what the client says it holds is compared by content, so that a restart of
/// the server sends nothing that is the same.
fn open<C: Catalog>(
    lane: &mut Lane,
    subscribe: Vec<String>,
    held: &HashMap<String, String>,
    catalog: &C,
    now: Instant,
) {
    lane.subscription = Subscription::of_list(lane.kind, true, subscribe);
    lane.removals = catalog.head();
    lane.removals_from = (!held.is_empty()).then(|| now + RETURN);
    if held.is_empty() && lane.subscription.is_wildcard() {
        // Everything is new: the history from its beginning, which needs no list.
        lane.additions = 0;
        lane.greet = true;
        // A name next to `*` must be answered even if it does not exist; the others come anyway.
        let missing =
            lane.subscription.explicit().filter(|name| catalog.find(&lane.type_url, name).is_none());
        lane.owed = missing.map(Box::from).chain(empty_namespaces(lane, catalog)).collect();
        return;
    }
    lane.additions = catalog.head();
    let mut owed = BTreeSet::new();
    let same = |e: &Entry<'_>| held.get(e.name).is_some_and(|version| *version == e.version_text());
    if lane.subscription.is_wildcard() {
        owed.extend(catalog.all(&lane.type_url, None).filter(|e| !same(e)).map(|e| Box::from(e.name)));
    }
    for name in lane.subscription.explicit() {
        let mut found = held.contains_key(name);
        for entry in under(lane, name, catalog) {
            found = true;
            if !same(&entry) {
                owed.insert(entry.name.into());
            }
        }
        if !found {
            owed.insert(name.into());
        }
    }
    let missing = |name: &&String| lane.covers(name) && catalog.find(&lane.type_url, name).is_none();
    let names: BTreeSet<Box<str>> = held.keys().filter(missing).map(|name| name.as_str().into()).collect();
    lane.gone = (!names.is_empty()).then(|| Gone { names, seq: catalog.head() });
    lane.owed = owed;
}

/// A name in each namespace that has no resources, to be told as missing. Envoy waits 15 s for the first word on a route
/// configuration's virtual hosts, and a response that is empty as a whole is not one: it has no namespace.
fn empty_namespaces<C: Catalog>(lane: &Lane, catalog: &C) -> Vec<Box<str>> {
    let spaces = lane.kind.has_namespaces().then(|| catalog.all(type_url::ROUTE, None));
    let empty = |route: &Entry<'_>| catalog.all(&lane.type_url, Some(route.name)).next().is_none();
    spaces.into_iter().flatten().filter(empty).map(|route| format!("{}/", route.name).into()).collect()
}

/// A subscribed name is answered even if the client has it: it may have let go of it in between.
fn subscribe<C: Catalog>(lane: &mut Lane, name: String, catalog: &C) {
    if name == WILDCARD {
        // Spelling out the wildcard that an empty list meant changes nothing.
        if !lane.subscription.is_wildcard() {
            lane.additions = 0;
            lane.greet = true;
        }
        lane.subscription.add(name);
        return;
    }
    let mut names: Vec<Box<str>> = under(lane, &name, catalog).map(|e| e.name.into()).collect();
    if names.is_empty() {
        names.push(name.as_str().into());
    }
    lane.owed.extend(names);
    lane.subscription.add(name);
}

/// Under a wildcard a dropped name may still be covered, and the client must be told whether it is. Without one nothing
/// is to be said: the client has let go.
fn unsubscribe(lane: &mut Lane, name: &str) {
    if !lane.subscription.drop_name(name) {
        return;
    }
    if lane.subscription.is_wildcard() {
        lane.owed.insert(name.into());
    } else {
        let (subscription, kind) = (&lane.subscription, lane.kind);
        lane.owed.retain(|owed| subscription.covers(kind, owed));
    }
}

/// The resources a subscribed name stands for: itself, and in types with namespaces whatever is under it.
fn under<'a, C: Catalog>(
    lane: &Lane,
    name: &str,
    catalog: &'a C,
) -> impl Iterator<Item = Entry<'a>> + 'a + use<'a, C> {
    let inside = lane.kind.has_namespaces().then(|| catalog.all(&lane.type_url, Some(name)));
    catalog.find(&lane.type_url, name).into_iter().chain(inside.into_iter().flatten())
}

/// A response in the making. Each name is in it once, or the client would have to refuse it.
struct Draft {
    response: DeltaDiscoveryResponse,
    names: BTreeSet<Box<str>>,
    bytes: usize,
    /// How many make it full.
    chunk: usize,
}

impl Draft {
    fn new(type_url: &str, chunk: usize) -> Self {
        let response =
            DeltaDiscoveryResponse { type_url: type_url.to_owned(), ..DeltaDiscoveryResponse::default() };
        Self { response, names: BTreeSet::new(), bytes: 0, chunk }
    }

    fn is_full(&self) -> bool {
        self.bytes >= self.chunk
    }

    /// Adds a resource.
    fn add(&mut self, entry: Entry<'_>) {
        if self.names.insert(entry.name.into()) {
            self.bytes += entry.name.len() + entry.body.len();
            let version = entry.version_text();
            let body = Any { type_url: self.response.type_url.clone(), value: entry.body.into_owned() };
            self.response.resources.push(Resource {
                name: entry.name.to_owned(),
                version,
                resource: Some(body),
                ..Resource::default()
            });
        }
    }

    /// Says that a resource is not there.
    fn remove(&mut self, name: &str) {
        if self.names.insert(name.into()) {
            self.bytes += name.len();
            self.response.removed_resources.push(name.to_owned());
        }
    }

    fn finish(mut self, nonce: String, head: u64) -> Sent<DeltaDiscoveryResponse> {
        self.response.nonce = nonce;
        self.response.system_version_info = head.to_string();
        Sent { response: self.response, names: self.names.into_iter().collect() }
    }
}
