//! State-of-the-world xDS, the server's half. Knows nothing of the order between types.
//!
//! Clusters and listeners are sent as the whole list, because what is left out is removed; the other types send only what
//! changed, because what is left out means nothing. The version of a response is that of the set the client then has, so
//! a client that comes back with the current version is sent nothing, by whichever server.

use std::collections::BTreeSet;

use forebay_proto::Any;
use forebay_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

use super::catalog::weight;
use super::lane::Lane;
use super::order::Horizons;
use super::{Ask, CHUNK, Catalog, Entry, Sent, Variant};
use crate::subscription::Subscription;

/// State-of-the-world xDS.
#[derive(Debug)]
pub enum StateOfTheWorld {}

impl Variant for StateOfTheWorld {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn parse(request: DiscoveryRequest) -> Ask {
        Ask {
            node: request.node,
            type_url: request.type_url,
            nonce: request.response_nonce,
            error: request.error_detail,
            subscribe: request.resource_names,
            version: request.version_info,
            // The names are complete in every request, so those of a newer one will do.
            void_when_stale: true,
            ..Ask::default()
        }
    }

    fn absorb<C: Catalog>(lane: &mut Lane, ask: Ask, fresh: bool, answers: bool, catalog: &C) {
        let legacy_allowed = fresh || lane.subscription == Subscription::Legacy;
        let subscription = Subscription::of_list(lane.kind, legacy_allowed, ask.subscribe);
        let before = std::mem::replace(&mut lane.subscription, subscription);
        if fresh {
            lane.additions = catalog.head();
            lane.removals = catalog.head();
            if !resumes(lane, &ask.version, catalog) {
                // From the beginning: what refers to this type waits for the answer.
                lane.additions = 0;
                owe_all(lane, catalog);
            }
            return;
        }
        let (subscription, kind) = (&lane.subscription, lane.kind);
        lane.told.retain(|name, _| subscription.covers(kind, name));
        lane.owed.retain(|name| subscription.covers(kind, name));
        if lane.subscription != before {
            let new: Vec<_> =
                entries(lane, catalog).filter(|e| !before.covers(kind, e.name)).map(name_of).collect();
            lane.greet |= lane.kind.is_listed_in_full();
            lane.owed.extend(new);
        } else if !answers && lane.in_flight.is_none() {
            // The same wish again, answering nothing: an Envoy that re-creates a cluster needs its endpoints again and has
            // no other way to say so.
            owe_all(lane, catalog);
        }
    }

    fn respond<C: Catalog>(
        lane: &mut Lane,
        horizons: Horizons,
        nonce: String,
        catalog: &C,
    ) -> Option<Sent<DiscoveryResponse>> {
        if lane.kind.is_listed_in_full() {
            whole(lane, horizons, nonce, catalog)
        } else {
            part(lane, horizons, nonce, catalog)
        }
    }
}

/// The client holds exactly what there is.
fn resumes<C: Catalog>(lane: &mut Lane, version: &str, catalog: &C) -> bool {
    let told: Vec<_> = entries(lane, catalog).map(|e| (name_of(e), e.version)).collect();
    let now = told.iter().fold(0_u64, |sum, (name, version)| sum.wrapping_add(weight(name, *version)));
    let same = version == text(now);
    if same && !lane.kind.is_listed_in_full() {
        lane.told = told.into_iter().collect();
    }
    same
}

fn owe_all<C: Catalog>(lane: &mut Lane, catalog: &C) {
    lane.greet |= lane.kind.is_listed_in_full() && !lane.subscription.is_empty();
    if !lane.kind.is_listed_in_full() {
        lane.owed = entries(lane, catalog).map(name_of).collect();
    }
}

/// The whole list, when anything in it changed.
fn whole<C: Catalog>(
    lane: &mut Lane,
    horizons: Horizons,
    nonce: String,
    catalog: &C,
) -> Option<Sent<DiscoveryResponse>> {
    let url = lane.type_url.clone();
    lane.owed.clear();
    if catalog.changed(&url, horizons.additions, u64::MAX).next().is_some() {
        // One of them must wait, and there is no response without it that would not remove it.
        return None;
    }
    let changed = catalog.changed(&url, lane.additions, horizons.additions).any(|e| lane.covers(e.name));
    let removed = catalog.removed(&url, lane.removals, horizons.removals).any(|e| lane.covers(e.name));
    lane.additions = lane.additions.max(horizons.additions);
    lane.removals = lane.removals.max(horizons.removals);
    if !(changed || removed || lane.greet) {
        return None;
    }
    // What was removed but may still be referred to stays in the list a little longer.
    let kept = catalog.removed(&url, lane.removals, u64::MAX).filter(|e| lane.covers(e.name));
    let mut draft = Draft::new(&url);
    entries(lane, catalog).chain(kept).for_each(|entry| draft.add(entry));
    let version = draft.sum;
    Some(draft.finish(nonce, version))
}

/// What changed, as much as fits.
fn part<C: Catalog>(
    lane: &mut Lane,
    horizons: Horizons,
    nonce: String,
    catalog: &C,
) -> Option<Sent<DiscoveryResponse>> {
    let url = lane.type_url.clone();
    let mut draft = Draft::new(&url);
    while draft.bytes < CHUNK
        && let Some(name) = lane.owed.pop_first()
    {
        if let Some(entry) = catalog.find(&url, &name) {
            lane.told.insert(name, entry.version);
            draft.add(entry);
        }
    }
    for entry in catalog.changed(&url, lane.additions, horizons.additions) {
        if draft.bytes >= CHUNK {
            break;
        }
        if lane.covers(entry.name) && lane.told.get(entry.name) != Some(&entry.version) {
            lane.told.insert(entry.name.into(), entry.version);
            draft.add(entry);
        }
        lane.additions = entry.seq;
    }
    if draft.bytes < CHUNK {
        lane.additions = lane.additions.max(horizons.additions);
    }
    for entry in catalog.removed(&url, lane.removals, horizons.removals) {
        lane.told.remove(entry.name);
    }
    lane.removals = lane.removals.max(horizons.removals);
    if draft.names.is_empty() {
        return None;
    }
    let version =
        lane.told.iter().fold(0_u64, |sum, (name, version)| sum.wrapping_add(weight(name, *version)));
    Some(draft.finish(nonce, version))
}

/// Every resource the subscription stands for.
fn entries<'a, C: Catalog>(lane: &Lane, catalog: &'a C) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
    if lane.subscription.is_wildcard() {
        return catalog.all(&lane.type_url, None);
    }
    let url = lane.type_url.clone();
    let names: Vec<_> = lane.subscription.explicit().map(str::to_owned).collect();
    Box::new(names.into_iter().filter_map(move |name| catalog.find(&url, &name)))
}

fn name_of(entry: Entry<'_>) -> Box<str> {
    entry.name.into()
}

fn text(version: u64) -> String {
    format!("{version:016x}")
}

/// A response in the making.
struct Draft {
    response: DiscoveryResponse,
    names: BTreeSet<Box<str>>,
    bytes: usize,
    sum: u64,
}

impl Draft {
    fn new(type_url: &str) -> Self {
        let response = DiscoveryResponse { type_url: type_url.to_owned(), ..DiscoveryResponse::default() };
        Self { response, names: BTreeSet::new(), bytes: 0, sum: 0 }
    }

    fn add(&mut self, entry: Entry<'_>) {
        if self.names.insert(entry.name.into()) {
            self.bytes += entry.name.len() + entry.body.len();
            self.sum = self.sum.wrapping_add(weight(entry.name, entry.version));
            self.response
                .resources
                .push(Any { type_url: self.response.type_url.clone(), value: entry.body.to_vec() });
        }
    }

    fn finish(mut self, nonce: String, version: u64) -> Sent<DiscoveryResponse> {
        self.response.nonce = nonce;
        self.response.version_info = text(version);
        Sent { response: self.response, names: self.names.into_iter().collect() }
    }
}
