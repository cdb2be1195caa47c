//! One type of one stream: subscription, positions, what is owed, what is in flight. Knows nothing of other types.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use forebay_proto::google::rpc::Status;

use super::{Answered, CHUNK, Verdict};
use crate::kind::Kind;
use crate::subscription::Subscription;

/// One type of one stream.
#[derive(Debug)]
pub struct Lane {
    pub(super) type_url: String,
    pub(super) kind: Kind,
    pub(super) subscription: Subscription,
    /// Every change up to here that matters to the subscription was sent.
    pub(super) additions: u64,
    /// Every removal up to here that matters to the subscription was sent.
    pub(super) removals: u64,
    /// Names that are owed an answer whatever is known of the client: newly subscribed, or different from what it holds.
    pub(super) owed: BTreeSet<Box<str>>,
    /// What a client that came back holds and nobody has any more: removals that this stream's history does not know.
    pub(super) gone: Option<Gone>,
    /// A client that came back is told of no removal before this: the types that refer to this one are only now being
    /// asked for.
    pub(super) removals_from: Option<Instant>,
    /// The next response goes out even if it is empty: the client waits for a first one to know that there is nothing.
    pub(super) greet: bool,
    /// State of the world, types not listed in full: what was sent under which version.
    pub(super) told: BTreeMap<Box<str>, u64>,
    pub(super) in_flight: Option<Flight>,
    /// Bytes after which a response is full.
    pub(super) chunk: usize,
}

/// Removals of before the stream, to be told like others once who refers to them has let go.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) names: BTreeSet<Box<str>>,
    /// They count as made at the head of that moment.
    pub(super) seq: u64,
}

/// A response that was not answered yet.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) nonce: String,
    pub(super) at: Instant,
    before: Mark,
    names: Vec<Box<str>>,
}

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    additions: u64,
    removals: u64,
    /// Subscribed names were being answered: until the client has them, it may not have what others refer to.
    owed: bool,
    /// Removals of before the stream were still to be told.
    gone: bool,
}

impl Lane {
    pub(super) fn new(type_url: &str) -> Self {
        Self {
            type_url: type_url.to_owned(),
            kind: Kind::of(type_url),
            subscription: Subscription::none(),
            additions: 0,
            removals: 0,
            owed: BTreeSet::new(),
            gone: None,
            removals_from: None,
            greet: false,
            told: BTreeMap::new(),
            in_flight: None,
            chunk: CHUNK,
        }
    }

    pub(super) fn covers(&self, name: &str) -> bool {
        self.subscription.covers(self.kind, name)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark {
            additions: self.additions,
            removals: self.removals,
            owed: !self.owed.is_empty(),
            gone: self.gone.is_some(),
        }
    }

    pub(super) fn sent(&mut self, nonce: String, before: Mark, names: Vec<Box<str>>, now: Instant) {
        self.greet = false;
        self.in_flight = Some(Flight { nonce, at: now, before, names });
    }

    pub(super) fn answered(&mut self, error: Option<Status>) -> Option<Answered> {
        let flight = self.in_flight.take()?;
        let verdict = error.map_or(Verdict::Ack, |status| Verdict::Nack { message: status.message });
        Some(Answered { type_url: self.type_url.clone(), names: flight.names, verdict })
    }

    /// Every addition up to here was sent and answered.
    pub(super) fn additions_answered(&self) -> u64 {
        let mark = self.settled();
        if mark.owed { 0 } else { mark.additions }
    }

    /// Every change up to here, removals included, was sent and answered.
    pub(super) fn answered_up_to(&self) -> u64 {
        let mark = self.settled();
        if mark.owed || mark.gone || self.gone.is_some() { 0 } else { mark.additions.min(mark.removals) }
    }

    fn settled(&self) -> Mark {
        let now = self.mark();
        self.in_flight
            .as_ref()
            .map_or(now, |flight| Mark { owed: flight.before.owed || now.owed, ..flight.before })
    }

    /// Every addition up to here was sent.
    pub(super) fn sent_up_to(&self) -> u64 {
        if self.owed.is_empty() { self.additions } else { 0 }
    }
}
