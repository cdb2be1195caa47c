//! The management server's side of one ADS stream: requests in, responses out, drawn from a [`Catalog`]. Knows nothing of
//! how resources are stored or how bytes travel.
//!
//! Per type a stream keeps a subscription and two positions in the catalog's history (additions and removals), so a
//! wildcard costs no memory however many resources there are, and a change costs what changed.
//!
//! What is sent when:
//! - one response per type waits for its answer; what changes meanwhile is merged into the next;
//! - additions go out in the order clusters, endpoints, listeners, routes, virtual hosts, and the latter three wait until
//!   older changes of the former two were answered ("make before break");
//! - removals wait until the types that refer to them have answered everything older;
//! - a client that does not answer holds others back for [`HOLD`] at most.

mod catalog;
mod delta;
mod lane;
mod order;
mod sotw;

use std::time::{Duration, Instant};

use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::google::rpc::Status;

pub use catalog::{Catalog, Entry, weight};
pub use delta::Delta;
pub use sotw::StateOfTheWorld;

use crate::kind::Kind;
use lane::Lane;
use order::Horizons;

/// How long an unanswered response of one type holds back others. 10 s: longer than an Envoy needs for 10,000 clusters,
/// shorter than its warming time-out of 15 s.
pub const HOLD: Duration = Duration::from_secs(10);

/// How long removals that a returning client must be told of wait at least. Half a second: by then it has asked for all
/// its types, and those that refer to what is removed hold it back until they have let go.
pub const RETURN: Duration = Duration::from_millis(500);

/// Bytes of resources after which a response that may be split is. 16 KiB: some 25 resources, so that a message's own cost
/// is spread thin; well under gRPC's default receive limit of 4 MiB; and what the transport's buffers at both ends grow to
/// and keep for as long as the stream lives.
pub const CHUNK: usize = 16 * 1024;

/// The same for virtual hosts that go to Envoy, which makes its whole route table anew for each response: 10,000 hosts in
/// pieces of 16 KiB are 260 tables. 256 KiB: the tables cost less than the hosts.
pub const CHUNK_OF_HOSTS: usize = 256 * 1024;

/// What a client said of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Everything in it is in use.
    Ack,
    /// Something in it was refused; what the client did with the rest is its own affair.
    Nack {
        /// The client's words.
        message: String,
    },
}

/// A response was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The type.
    pub type_url: String,
    /// Names of the resources that were in the response.
    pub names: Vec<Box<str>>,
    /// What was said.
    pub verdict: Verdict,
}

/// Why a stream cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// ADS needs the type in every request.
    NoType,
    /// The catalog no longer knows what was removed since this stream last looked. A new stream starts from what the
    /// client says it holds.
    FellBehind {
        /// The type.
        type_url: String,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::NoType => f.write_str("a request without type_url on an aggregated stream"),
            Refusal::FellBehind { type_url } => {
                write!(
                    f,
                    "too many removals of {type_url} went unsent; reconnect to start from what you hold"
                )
            }
        }
    }
}

/// Where one type of a stream stands in the catalog's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// The type.
    pub type_url: &'a str,
    /// Every change up to here was answered.
    pub answered: u64,
    /// Every removal up to here was sent.
    pub removals_sent: u64,
}

/// One of the two protocol variants.
pub trait Variant: Sized {
    /// What the client sends.
    type Request;
    /// What it gets.
    type Response;
    /// Takes a request apart.
    fn parse(request: Self::Request) -> Ask;
    /// Applies a request's wishes to its type.
    fn absorb<C: Catalog>(lane: &mut Lane, ask: Ask, moment: Moment, catalog: &C);
    /// The next response of a type, if there is something to say.
    fn respond<C: Catalog>(
        lane: &mut Lane,
        horizons: Horizons,
        nonce: String,
        catalog: &C,
    ) -> Option<Sent<Self::Response>>;
}

/// When a request came.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// It is the first of its type on this stream.
    pub(crate) fresh: bool,
    /// It answers a response.
    pub(crate) answers: bool,
    pub(crate) now: Instant,
}

/// A request without the differences of the variants.
#[derive(Debug, Default)]
pub struct Ask {
    pub(crate) node: Option<Node>,
    pub(crate) type_url: String,
    pub(crate) nonce: String,
    pub(crate) error: Option<Status>,
    /// Delta: what is new. State of the world: the whole list.
    pub(crate) subscribe: Vec<String>,
    pub(crate) unsubscribe: Vec<String>,
    /// Delta: what the client holds, in a stream's first request.
    pub(crate) held: std::collections::HashMap<String, String>,
    /// State of the world: the version accepted last.
    pub(crate) version: String,
}

/// A response and what is in it.
#[derive(Debug)]
pub struct Sent<R> {
    pub(crate) response: R,
    pub(crate) names: Vec<Box<str>>,
}

/// A response to be sent, with its size for whoever counts.
#[derive(Debug)]
pub struct Response<R> {
    /// The message.
    pub message: R,
    /// The type.
    pub kind: Kind,
}

/// One ADS stream.
#[derive(Debug)]
pub struct Stream<V> {
    node: Node,
    /// In [`Kind`] order, which is the order of sending.
    lanes: Vec<Lane>,
    /// Responses sent; the nonce of each is its number. Never reused on a stream, which is all a nonce needs.
    sent: u64,
    variant: std::marker::PhantomData<V>,
}

impl<V: Variant> Default for Stream<V> {
    fn default() -> Self {
        Self { node: Node::default(), lanes: Vec::new(), sent: 0, variant: std::marker::PhantomData }
    }
}

impl<V: Variant> Stream<V> {
    /// A stream on which nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who is at the other end, as its first request said.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Takes a request. Says which response it answered, if any; [`Self::poll`] says what it led to.
    pub fn receive<C: Catalog>(
        &mut self,
        request: V::Request,
        catalog: &C,
        now: Instant,
    ) -> Result<Option<Answered>, Refusal> {
        let mut ask = V::parse(request);
        if ask.type_url.is_empty() {
            return Err(Refusal::NoType);
        }
        if let Some(node) = ask.node.take() {
            self.node = node;
        }
        let (at, fresh) = self.lane(&ask.type_url);
        let Some(lane) = self.lanes.get_mut(at) else { return Ok(None) };
        // A nonce of another stream (a client that forgot to forget) or of an older response answers nothing. Its names
        // count all the same, also in state of the world, where others ignore them: requests come in order, and were one
        // passed over that drops a name, the next that has it again would not look like a new wish.
        let answers = lane.in_flight.as_ref().is_some_and(|flight| flight.nonce == ask.nonce);
        let answered = if answers { lane.answered(ask.error.take()) } else { None };
        V::absorb(lane, ask, Moment { fresh, answers, now }, catalog);
        Ok(answered)
    }

    /// The next response that may go out now. Call until it says none.
    pub fn poll<C: Catalog>(
        &mut self,
        catalog: &C,
        now: Instant,
    ) -> Result<Option<Response<V::Response>>, Refusal> {
        loop {
            let mut moved = false;
            for at in 0..self.lanes.len() {
                let horizons = Horizons::of(&self.lanes, at, catalog.head(), now);
                let Some(lane) = self.lanes.get_mut(at) else { break };
                if lane.removals < catalog.forgotten(&lane.type_url) && horizons.looks_back(lane) {
                    return Err(Refusal::FellBehind { type_url: lane.type_url.clone() });
                }
                if lane.in_flight.is_some() {
                    continue;
                }
                let nonce = (self.sent + 1).to_string();
                let before = lane.mark();
                if let Some(sent) = V::respond(lane, horizons, nonce.clone(), catalog) {
                    self.sent += 1;
                    lane.sent(nonce, before, sent.names, now);
                    return Ok(Some(Response { message: sent.response, kind: lane.kind }));
                }
                moved |= lane.mark() != before;
            }
            // A type that went on without a word (nothing it was asked for changed) may let an earlier one go on.
            if !moved {
                return Ok(None);
            }
        }
    }

    /// When to poll again although nothing happened: a type that does not answer stops holding others back, or removals
    /// have waited long enough.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let held =
            self.lanes.iter().filter_map(|lane| lane.in_flight.as_ref()).map(|flight| flight.at + HOLD);
        let gone = self.lanes.iter().filter_map(|lane| lane.removals_from);
        held.chain(gone).filter(|at| *at > now).min()
    }

    /// Where each type stands.
    pub fn positions(&self) -> impl Iterator<Item = Position<'_>> {
        self.lanes.iter().map(|lane| Position {
            type_url: &lane.type_url,
            answered: lane.answered_up_to(),
            removals_sent: lane.removals,
        })
    }

    /// The place of a type's lane, and whether it was made just now.
    fn lane(&mut self, type_url: &str) -> (usize, bool) {
        if let Some(at) = self.lanes.iter().position(|lane| lane.type_url == type_url) {
            return (at, false);
        }
        let kind = Kind::of(type_url);
        let at = self.lanes.partition_point(|lane| (lane.kind, lane.type_url.as_str()) < (kind, type_url));
        let mut lane = Lane::new(type_url);
        if kind.has_namespaces() && self.node.user_agent_name == "envoy" {
            lane.chunk = CHUNK_OF_HOSTS;
        }
        self.lanes.insert(at, lane);
        (at, true)
    }
}
