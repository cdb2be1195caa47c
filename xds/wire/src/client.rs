//! The subscriber's side: wishes in, requests out; responses in, changes and exactly one answer each out. Knows nothing
//! of what a resource means: a verdict comes from whoever applies it.
//!
//! Life of a response: [`Client::receive`] takes it apart (duplicates, foreign types and nameless bodies are refused here),
//! the subscriber applies what is left and says what it refuses, [`Client::answer`] records the versions that were
//! accepted and owes the server an ACK or a NACK, [`Client::next_request`] sends it with whatever wishes changed since.

mod delta;
mod limit;
mod message;
mod response;
mod sotw;
mod state;

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use forebay_base::turn;
use forebay_base::version::Version;
use forebay_proto::envoy::config::core::v3::Node;

pub use delta::Delta;
pub(crate) use message::Item;
pub use message::{Draft, Expired, Parsed, Received, Rejection, Resource, Unanswered, Variant};
pub use response::{DeltaResponse, WorldResponse, Wrapped};
pub use sotw::StateOfTheWorld;

use crate::kind::Kind;
use crate::subscription::WILDCARD;
use limit::Bucket;
pub use limit::{MAX_NACKS, NACK_REFILL};
use state::{Answer, TypeState};

/// How long a named resource may stay unanswered in state of the world before it is said not to exist. 15 s: Envoy's
/// `initial_fetch_timeout` and gRPC's A57.
pub const DOES_NOT_EXIST: Duration = Duration::from_secs(15);

/// Longest NACK text in bytes; a control plane logs it, and a server of ours shows it in a condition.
const MAX_ERROR: usize = 16 * 1024;

/// All types of one ADS connection, over the streams it takes. The state that outlives a stream is what was accepted and
/// what is wanted; nonces and what the server was told die with it.
#[derive(Debug)]
pub struct Client<V> {
    node: Node,
    /// In [`Kind`] order, which is the order of requests.
    types: Vec<TypeState>,
    stream: u64,
    /// The first request of a stream carries the node, the others leave it out.
    introduced: bool,
    nacks: Bucket,
    variant: PhantomData<V>,
}

impl<V: Variant> Client<V> {
    /// A client that wants nothing yet.
    pub fn new(node: Node, now: Instant) -> Self {
        Self::with_nacks(node, (MAX_NACKS, NACK_REFILL), now)
    }

    /// The same with a limit of its own: so many NACKs at once, and one more each time.
    pub fn with_nacks(node: Node, nacks: (u32, Duration), now: Instant) -> Self {
        Self {
            node,
            types: Vec::new(),
            stream: 1,
            introduced: false,
            nacks: Bucket::new(nacks, now),
            variant: PhantomData,
        }
    }

    /// Wants every resource of a type. LDS and CDS ask in the legacy form (an empty list), which every server knows.
    pub fn want_all(&mut self, type_url: &str) {
        self.state(type_url).want_all();
    }

    /// Wants these names too. A name that is wanted already is not asked for again: a server re-sends whatever is.
    pub fn want<N: Into<String>>(&mut self, type_url: &str, names: impl IntoIterator<Item = N>) {
        let state = self.state(type_url);
        names.into_iter().map(Into::into).for_each(|name| state.want(name));
    }

    /// No longer wants these names; the subscriber has let go of what they brought.
    pub fn unwant<N: AsRef<str>>(&mut self, type_url: &str, names: impl IntoIterator<Item = N>) {
        let state = self.state(type_url);
        names.into_iter().for_each(|name| state.unwant(name.as_ref()));
    }

    /// A new stream: nonces of the old one are void, everything wanted is asked for again with what is held.
    pub fn restart(&mut self) {
        self.stream += 1;
        self.introduced = false;
        self.types.iter_mut().for_each(TypeState::restart);
    }

    /// Takes a response apart. What is broken in itself is left out here and named in the NACK that [`Self::answer`] owes.
    /// What is no longer wanted is left out silently.
    pub fn receive(&mut self, response: V::Response, now: Instant) -> Received {
        let parsed = V::parse(response);
        let Parsed { type_url, nonce, version, items, removed, mut faults } = parsed;
        let mut full = !V::DELTA && Kind::of(&type_url).is_listed_in_full();
        let mut added = Vec::with_capacity(items.len());
        let mut gone = removed;
        match self.types.iter_mut().find(|state| state.type_url == type_url) {
            Some(state) if state.opened => {
                state.nonce.clone_from(&nonce);
                let heartbeats = state.sort(items, now, &mut added, &mut gone, &mut faults);
                // What is left out of a response of heartbeats, or next to a broken resource, is not gone.
                full &= !heartbeats && faults.is_empty();
            }
            _ => {
                full = false;
                let message = format!("{type_url} was not asked for on this stream");
                faults.push(Rejection { name: String::new(), message });
                gone.clear();
            }
        }
        let refused = faults.iter().filter(|fault| !fault.name.is_empty()).cloned().collect();
        let names = added.iter().map(|r| (r.name.clone(), r.version.clone())).collect();
        let unanswered = Unanswered {
            type_url: type_url.clone(),
            nonce,
            version,
            stream: self.stream,
            names,
            removed: gone.clone(),
            full,
            faults,
        };
        Received { type_url, full, added, removed: gone, refused, unanswered }
    }

    /// The subscriber's verdict: what it did not refuse is recorded as held, and the server is owed an answer. Refused
    /// names keep the version that was accepted before, if any: it is still what the subscriber runs on.
    /// Returns the text of the NACK, when it is one.
    pub fn answer(&mut self, unanswered: Unanswered, rejected: &[Rejection]) -> Option<String> {
        let Unanswered { type_url, nonce, version, stream, names, removed, full, faults } = unanswered;
        let error = describe(faults.iter().chain(rejected));
        let current = stream == self.stream;
        let refused: BTreeSet<&str> = rejected.iter().map(|r| r.name.as_str()).collect();
        let Some(state) = self.types.iter_mut().find(|state| state.type_url == type_url) else {
            return error;
        };
        if full {
            // A refused resource that is still listed is still there, in its old version.
            let listed: BTreeSet<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
            state.held.retain(|name, _| listed.contains(&**name));
        }
        for (name, version) in names {
            turn::share();
            if !refused.contains(name.as_str()) && state.wanted.covers(state.kind, &name) {
                state.held.insert(name.into(), version.as_str().into());
            }
        }
        for name in &removed {
            state.held.remove(name.as_str());
        }
        // A type that was not asked for on this stream gets no answer, as in Envoy: for the server the answer would be the
        // type's first request, and without names that means "everything".
        if current && state.opened {
            state.mixed = error.is_some();
            if error.is_none() {
                state.accepted = version;
            }
            state.owed.push_back(Answer { nonce, error: error.clone() });
        }
        error
    }

    /// A request is due: [`Self::next_request`] has one.
    pub fn has_request(&self, now: Instant) -> bool {
        self.due(now).is_some()
    }

    /// The next request, if one is due: wishes before answers, so that what a CDS response made necessary in EDS is asked
    /// for before the ACK lets the server go on to routes. NACKs wait for their rate limit (see [`Self::deadline`]).
    pub fn next_request(&mut self, now: Instant) -> Option<V::Request> {
        let at = self.due(now)?;
        let state = self.types.get_mut(at)?;
        let answer = if state.may_answer(&self.nacks, now) { state.owed.pop_front() } else { None };
        if answer.as_ref().is_some_and(|a| a.error.is_some()) {
            self.nacks.take(now);
        }
        let node = (!self.introduced).then(|| self.node.clone());
        self.introduced = true;
        Some(V::request(state.draft::<V>(node, answer, now)))
    }

    /// Answers that wait to be sent: the driver stops reading when a peer pushes and never reads.
    pub fn backlog(&self) -> usize {
        self.types.iter().map(|state| state.owed.len()).sum()
    }

    /// When to look again: at [`Self::next_request`] for a NACK that is rate limited, or at [`Self::expire`].
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let limited = self.types.iter().any(|s| s.owes_nack()).then(|| self.nacks.ready_at(now));
        self.types.iter().filter_map(TypeState::first_timer).chain(limited).min()
    }

    /// What time alone did up to now.
    pub fn expire(&mut self, now: Instant) -> Vec<Expired> {
        let mut all = Vec::new();
        self.types.iter_mut().for_each(|state| state.expire(now, &mut all));
        all
    }

    /// The versions held of a type, for dumps and tests.
    pub fn held(&self, type_url: &str) -> impl Iterator<Item = (&str, &Version)> {
        let state = self.types.iter().find(|state| state.type_url == type_url);
        state.into_iter().flat_map(|s| s.held.iter().map(|(name, version)| (&**name, version)))
    }

    /// How many resources are held, of all types.
    pub fn held_in_all(&self) -> usize {
        self.types.iter().map(|state| state.held.len()).sum()
    }

    /// The type whose turn it is to speak.
    fn due(&self, now: Instant) -> Option<usize> {
        let news = |state: &TypeState| state.has_news() && (V::DELTA || state.may_speak(&self.nacks, now));
        let wishes = self.types.iter().position(news);
        wishes.or_else(|| self.types.iter().position(|state| state.may_answer(&self.nacks, now)))
    }

    fn state(&mut self, type_url: &str) -> &mut TypeState {
        let at = match self.types.iter().position(|state| state.type_url == type_url) {
            Some(at) => at,
            None => self.insert(TypeState::new(type_url)),
        };
        &mut self.types[at]
    }

    fn insert(&mut self, state: TypeState) -> usize {
        let at =
            self.types.partition_point(|other| (other.kind, &other.type_url) < (state.kind, &state.type_url));
        self.types.insert(at, state);
        at
    }
}

/// One NACK text for all refusals: `name: why; name: why`.
fn describe<'a>(rejections: impl Iterator<Item = &'a Rejection>) -> Option<String> {
    let mut text = String::new();
    let mut left_out = 0usize;
    for Rejection { name, message } in rejections {
        if text.len() + name.len() + message.len() > MAX_ERROR && !text.is_empty() {
            left_out += 1;
            continue;
        }
        let gap = if text.is_empty() { "" } else { "; " };
        let colon = if name.is_empty() { "" } else { ": " };
        text.extend([gap, name, colon, message]);
    }
    if left_out > 0 {
        text.push_str(&format!("; and {left_out} more"));
    }
    (!text.is_empty()).then_some(text)
}

/// The `*` of a wish that is told to the server.
fn star() -> String {
    WILDCARD.to_owned()
}
