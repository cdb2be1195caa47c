//! State-of-the-world xDS, the server's half. Knows nothing of the order between types.
//!
//! Clusters and listeners are sent as the whole list, because what is left out is removed; the other types send only what
//! changed, because what is left out means nothing. The version of a whole list is that of its content, so a client that
//! comes back with the current version is sent nothing, by whichever server; the others are sent anew on a new stream.
//!
//! A removal while the client was away takes effect with the next list at once: what it referred to cannot be held, since
//! nobody knows it any more. Delta can (see `lane::Gone`).

use std::collections::BTreeSet;

use forebay_proto::Any;
use forebay_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

use super::catalog::weight;
use super::lane::Lane;
use super::order::Horizons;
use super::{Ask, CHUNK, Catalog, Entry, Moment, RETURN, Sent, Variant};
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
            ..Ask::default()
        }
    }

    fn absorb<C: Catalog>(lane: &mut Lane, ask: Ask, moment: Moment, catalog: &C) {
        let Moment { fresh, answers, now } = moment;
        let legacy_allowed = fresh || lane.subscription == Subscription::Legacy;
        let subscription = Subscription::of_list(lane.kind, legacy_allowed, ask.subscribe);
        let before = std::mem::replace(&mut lane.subscription, subscription);
        if fresh {
            lane.additions = catalog.head();
            lane.removals = catalog.head();
            lane.removals_from = (!ask.version.is_empty()).then(|| now + RETURN);
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
        } else if !answers {
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

/// The client holds exactly what there is. Known only of a wildcard: of a set of names it may have let go of some and
/// wanted them again while it was away, and its version would not tell.
fn resumes<C: Catalog>(lane: &Lane, version: &str, catalog: &C) -> bool {
    let sum = entries(lane, catalog).fold(0_u64, |sum, e| sum.wrapping_add(weight(e.name, e.version)));
    lane.kind.is_listed_in_full() && lane.subscription.is_wildcard() && version == text(sum)
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
    let told = &mut lane.told;
    lane.owed.retain(|name| {
        if draft.bytes >= CHUNK {
            return true;
        }
        match catalog.find(&url, name) {
            // Asked for or not, it must not overtake what it refers to.
            Some(entry) if entry.seq > horizons.additions => true,
            Some(entry) => {
                told.insert(name.clone(), entry.version);
                draft.add(entry);
                false
            }
            // There is no way to say that it is not there; the client's timer will.
            None => false,
        }
    });
    for entry in catalog.changed(&url, lane.additions, horizons.additions) {
        if draft.bytes >= CHUNK {
            break;
        }
        lane.additions = entry.seq;
        if lane.covers(entry.name) && lane.told.get(entry.name) != Some(&entry.version) {
            lane.told.insert(entry.name.into(), entry.version);
            draft.add(entry);
        }
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
    Some(draft.finish(nonce, catalog.head()))
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
                .push(Any { type_url: self.response.type_url.clone(), value: entry.body.into_owned() });
        }
    }

    fn finish(mut self, nonce: String, version: u64) -> Sent<DiscoveryResponse> {
        self.response.nonce = nonce;
        self.response.version_info = text(version);
        Sent { response: self.response, names: self.names.into_iter().collect() }
    }
}
