//! One type of one client: what is wanted, what the server was told, what is held, what is owed. Knows nothing of the
//! messages of either variant.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use forebay_base::tree::Tree;
use forebay_base::turn;
use forebay_base::version::Version;
use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::google::rpc::Status;

use super::limit::Bucket;
use super::{DOES_NOT_EXIST, Draft, Expired, Item, Rejection, Resource, Variant, star};
use crate::INVALID_ARGUMENT;
use crate::kind::Kind;
use crate::subscription::{Subscription, WILDCARD};

/// An ACK, or with an error a NACK.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) nonce: String,
    pub(super) error: Option<String>,
}

#[derive(Debug)]
pub(super) struct TypeState {
    pub(super) type_url: String,
    pub(super) kind: Kind,
    pub(super) wanted: Subscription,
    /// The type's first request went out on this stream. Until then nothing the server says of it is expected.
    pub(super) opened: bool,
    /// Delta: wishes the server has not been told. A name that was dropped and wanted again stays here even if the server
    /// never heard of the drop: it must send it again, because the subscriber let go of it.
    subscribe: BTreeSet<String>,
    unsubscribe: BTreeSet<String>,
    /// What was accepted: name and version. Tells a new stream what need not be sent, and what to say is gone.
    pub(super) held: Tree<Box<str>, Version>,
    /// State of the world: the version of the last response accepted in whole; survives the stream.
    pub(super) accepted: String,
    /// State of the world: part of a later response was taken, so what is held is no version any server knows. A new
    /// stream starts without one.
    pub(super) mixed: bool,
    /// State of the world: the nonce of the last response of this stream, to be named in every request.
    pub(super) nonce: String,
    pub(super) owed: VecDeque<Answer>,
    /// State of the world: names asked for and not seen, and when they are said to be missing.
    awaited: BTreeMap<String, Instant>,
    /// Resources with a time to live, and when it ends.
    living: BTreeMap<String, Instant>,
}

impl TypeState {
    pub(super) fn new(type_url: &str) -> Self {
        Self {
            type_url: type_url.to_owned(),
            kind: Kind::of(type_url),
            wanted: Subscription::none(),
            opened: false,
            subscribe: BTreeSet::new(),
            unsubscribe: BTreeSet::new(),
            held: Tree::new(),
            accepted: String::new(),
            mixed: false,
            nonce: String::new(),
            owed: VecDeque::new(),
            awaited: BTreeMap::new(),
            living: BTreeMap::new(),
        }
    }

    pub(super) fn want_all(&mut self) {
        if self.wanted.is_wildcard() {
            return;
        }
        if self.kind.is_listed_in_full() && self.wanted.is_empty() && !self.opened {
            self.wanted = Subscription::Legacy;
        } else {
            self.wanted.add(star());
            self.tell(star());
        }
    }

    pub(super) fn want(&mut self, name: String) {
        if name == WILDCARD {
            return self.want_all();
        }
        let legacy = self.wanted == Subscription::Legacy;
        if self.wanted.add(name.clone()) {
            if legacy {
                // The wildcard of an empty list ends with the first name unless it is spelled out.
                self.tell(star());
            }
            self.tell(name);
        }
    }

    pub(super) fn unwant(&mut self, name: &str) {
        if !self.wanted.drop_name(name) {
            return;
        }
        if !self.wanted.covers(self.kind, name) {
            self.awaited.remove(name);
        }
        let (wanted, kind) = (&self.wanted, self.kind);
        self.held.retain(|held, _| wanted.covers(kind, held));
        self.living.retain(|living, _| wanted.covers(kind, living));
        if self.opened {
            self.subscribe.remove(name);
            self.unsubscribe.insert(name.to_owned());
        }
    }

    fn tell(&mut self, name: String) {
        if self.opened {
            self.subscribe.insert(name);
        }
    }

    pub(super) fn restart(&mut self) {
        self.opened = false;
        if std::mem::take(&mut self.mixed) {
            self.accepted.clear();
        }
        self.subscribe.clear();
        self.unsubscribe.clear();
        self.nonce.clear();
        self.owed.clear();
        self.awaited.clear();
    }

    /// Sorts the resources of a response into what is new, what is gone and what is broken. True when there were
    /// heartbeats: resources without a body that only live on.
    pub(super) fn sort(
        &mut self,
        items: Vec<Item>,
        now: Instant,
        added: &mut Vec<Resource>,
        gone: &mut Vec<String>,
        faults: &mut Vec<Rejection>,
    ) -> bool {
        let mut heartbeats = false;
        let mut seen = BTreeSet::new();
        for Item { name, version, ttl, body } in items {
            turn::share();
            if !seen.insert(name.clone()) {
                // Envoy applies the first and refuses the response for the second; so do we.
                faults.push(Rejection { name, message: "appears twice in one response".into() });
                continue;
            }
            if !self.wanted.covers(self.kind, &name) {
                continue;
            }
            self.awaited.remove(&name);
            match body {
                Some(body) if body.type_url != self.type_url => {
                    let message = format!("is a {} in a response of {}", body.type_url, self.type_url);
                    faults.push(Rejection { name, message });
                    continue;
                }
                Some(body) => added.push(Resource { name: name.clone(), version, body }),
                // A heartbeat: the resource lives on as it is.
                None if ttl.is_some() && self.held.contains_key(name.as_str()) => heartbeats = true,
                // VHDS says "no such host" with a resource that has no body.
                None => gone.push(name.clone()),
            }
            match ttl {
                Some(ttl) => self.living.insert(name, now + ttl),
                None => self.living.remove(&name),
            };
        }
        for name in gone {
            self.awaited.remove(name);
            self.living.remove(name);
        }
        heartbeats
    }

    /// Something the server was not told: the type itself, or a change of wishes.
    pub(super) fn has_news(&self) -> bool {
        if self.opened {
            !self.subscribe.is_empty() || !self.unsubscribe.is_empty()
        } else {
            // A type that wants nothing is not opened: an empty first list would mean everything.
            !self.wanted.is_empty()
        }
    }

    pub(super) fn owes_nack(&self) -> bool {
        self.owed.front().is_some_and(|answer| answer.error.is_some())
    }

    pub(super) fn may_answer(&self, nacks: &Bucket, now: Instant) -> bool {
        self.owed.front().is_some_and(|answer| answer.error.is_none() || nacks.has_token(now))
    }

    /// State of the world: every request names the last nonce and so answers it; with a NACK owed it must be the NACK.
    pub(super) fn may_speak(&self, nacks: &Bucket, now: Instant) -> bool {
        self.owed.is_empty() || self.may_answer(nacks, now)
    }

    /// The next request of this type.
    pub(super) fn draft<V: Variant>(
        &mut self,
        node: Option<Node>,
        answer: Option<Answer>,
        now: Instant,
    ) -> Draft {
        let first = !self.opened && !self.wanted.is_empty();
        let mut draft = Draft { node, type_url: self.type_url.clone(), ..Draft::default() };
        let (nonce, error) = match answer {
            Some(Answer { nonce, error }) => (Some(nonce), error),
            None => (None, None),
        };
        draft.error = error.map(|message| Status { code: INVALID_ARGUMENT, message, details: Vec::new() });
        if V::DELTA {
            // Spontaneous requests of delta carry no nonce.
            draft.nonce = nonce.unwrap_or_default();
            if first {
                draft.subscribe = self.wanted.list();
                draft.held =
                    self.held.iter().map(|(name, version)| (name.to_string(), version.to_string())).collect();
            } else {
                draft.unsubscribe = self.unsubscribe.difference(&self.subscribe).cloned().collect();
                draft.subscribe = std::mem::take(&mut self.subscribe).into_iter().collect();
            }
        } else {
            draft.nonce = nonce.unwrap_or_else(|| self.nonce.clone());
            // A name that was dropped and wanted again is left out once: only so does the server see that it must send
            // it again. It stays in `subscribe` and with that the whole list is due next.
            self.subscribe.retain(|name| self.unsubscribe.contains(name));
            draft.names = self.wanted.list();
            draft.names.retain(|name| !self.subscribe.contains(name));
            draft.version.clone_from(&self.accepted);
            self.await_names(now);
        }
        self.unsubscribe.clear();
        self.opened |= first;
        draft
    }

    /// Starts the clock of the names that were asked for and are not here. Types listed in full need none: what a response
    /// leaves out is gone.
    fn await_names(&mut self, now: Instant) {
        if self.kind.is_listed_in_full() {
            return;
        }
        for name in self.wanted.explicit().filter(|name| *name != WILDCARD) {
            if !self.held.contains_key(name) && !self.awaited.contains_key(name) {
                self.awaited.insert(name.to_owned(), now + DOES_NOT_EXIST);
            }
        }
    }

    pub(super) fn first_timer(&self) -> Option<Instant> {
        self.awaited.values().chain(self.living.values()).min().copied()
    }

    pub(super) fn expire(&mut self, now: Instant, all: &mut Vec<Expired>) {
        let late = |timers: &BTreeMap<String, Instant>| -> Vec<String> {
            timers.iter().filter(|&(_, &at)| at <= now).map(|(name, _)| name.clone()).collect()
        };
        for name in late(&self.awaited) {
            self.awaited.remove(&name);
            all.push(Expired::Missing { type_url: self.type_url.clone(), name });
        }
        for name in late(&self.living) {
            self.living.remove(&name);
            self.held.remove(name.as_str());
            all.push(Expired::Ttl { type_url: self.type_url.clone(), name });
        }
    }
}
