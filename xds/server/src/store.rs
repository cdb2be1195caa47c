//! The resources, shared between whoever writes them and the streams. Knows nothing of gRPC.
//!
//! A resource is encoded and hashed once, when it is written. A write of the same content is no change. One lock guards
//! everything: it is held for a write, or for the making of one response of some 16 KiB, and never across an await.

pub(crate) mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_xds_wire::Kind;
use forebay_xds_wire::server::{Catalog, Entry};
use prost::Message;
use tokio::sync::{broadcast, watch};

use crate::acks::Nack;
use crate::canonical::order_maps;
use crate::table::Table;
pub use streams::Subscriber;
pub(crate) use streams::{Ending, Streams};

/// NACKs that a slow reader may fall behind before the oldest are lost. 256: one bad deployment, not a NACK loop.
const NACK_BUFFER: usize = 256;

/// The resource store; a handle that is cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The number of the last change, for streams that wait for one.
    pub(crate) changed: watch::Sender<u64>,
    /// Bumped when a stream answers, comes or goes, for [`Store::acked`].
    pub(crate) progress: watch::Sender<u64>,
    pub(crate) nacks: broadcast::Sender<Nack>,
}

/// What the lock guards.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) tables: Tables,
    pub(crate) streams: Streams,
    pub(crate) traffic: Traffic,
}

/// What went out since the start, over all streams.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Responses sent.
    pub responses: u64,
    /// Resources in them.
    pub resources: u64,
    /// Bytes of the encoded responses, without gRPC's framing.
    pub bytes: u64,
    /// Responses that were accepted.
    pub acks: u64,
    /// Responses that were refused, wholly or in part.
    pub nacks: u64,
}

/// All types, and the one sequence of changes over them.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    by_type: BTreeMap<Box<str>, Table>,
    head: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        let shared = Shared {
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            progress: watch::Sender::new(0),
            nacks: broadcast::Sender::new(NACK_BUFFER),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Stores a resource. False, and nothing else happens, when it is there with the same content.
    pub fn set(&self, type_url: &str, name: &str, message: &impl Message) -> bool {
        let body = encode(type_url, message);
        self.write(|tables| tables.set(type_url, name, &body))
    }

    /// Removes a resource. False when there is none.
    pub fn remove(&self, type_url: &str, name: &str) -> bool {
        self.write(|tables| tables.remove(type_url, name))
    }

    /// Many writes that streams see at once. Additions take effect in the order they are made, then the removals, those of
    /// what refers before those of what is referred to. Returns the number to wait for with [`Self::acked`].
    pub fn batch(&self, writes: impl FnOnce(&mut Batch<'_>)) -> u64 {
        let mut state = self.lock();
        let before = state.tables.head;
        let mut batch = Batch { tables: &mut state.tables, removals: BTreeSet::new() };
        writes(&mut batch);
        batch.finish();
        let head = state.tables.head;
        self.written(state, before);
        head
    }

    /// The number of the last change.
    pub fn head(&self) -> u64 {
        self.lock().tables.head
    }

    /// How many resources of a type there are.
    pub fn len(&self, type_url: &str) -> usize {
        self.lock().tables.by_type.get(type_url).map_or(0, Table::len)
    }

    /// There are no resources of a type.
    pub fn is_empty(&self, type_url: &str) -> bool {
        self.len(type_url) == 0
    }

    /// The encoded content of a resource, for dumps.
    pub fn encoded(&self, type_url: &str, name: &str) -> Option<Vec<u8>> {
        self.lock().tables.find(type_url, name).map(|entry| entry.body.into_owned())
    }

    /// What went out since the start.
    pub fn traffic(&self) -> Traffic {
        self.lock().traffic
    }

    /// Who is connected, and where they stand.
    pub fn subscribers(&self) -> Vec<Subscriber> {
        self.lock().streams.list()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; were it to, the data would still be whole after each step.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, write: impl FnOnce(&mut Tables) -> bool) -> bool {
        let mut state = self.lock();
        let before = state.tables.head;
        let changed = write(&mut state.tables);
        self.written(state, before);
        changed
    }

    /// Forgets removals nobody waits for, and wakes the streams if something changed.
    fn written(&self, mut state: MutexGuard<'_, State>, before: u64) {
        let head = state.tables.head;
        if head == before {
            return;
        }
        state.prune();
        drop(state);
        self.shared.changed.send_replace(head);
    }
}

/// The writes of one [`Store::batch`].
#[derive(Debug)]
pub struct Batch<'s> {
    tables: &'s mut Tables,
    /// In the order in which they will happen.
    removals: BTreeSet<(u8, Box<str>, Box<str>)>,
}

impl Batch<'_> {
    /// Stores a resource, and takes back its removal in this batch. False when it is there with the same content.
    pub fn set(&mut self, type_url: &str, name: &str, message: &impl Message) -> bool {
        self.removals.remove(&removal(type_url, name));
        self.tables.set(type_url, name, &encode(type_url, message))
    }

    /// Removes a resource at the end of the batch. False when there is none.
    pub fn remove(&mut self, type_url: &str, name: &str) -> bool {
        let there = self.tables.by_type.get(type_url).is_some_and(|table| table.contains(name));
        there && self.removals.insert(removal(type_url, name))
    }

    fn finish(self) {
        for (_, type_url, name) in self.removals {
            self.tables.remove(&type_url, &name);
        }
    }
}

fn removal(type_url: &str, name: &str) -> (u8, Box<str>, Box<str>) {
    (Kind::of(type_url).removal_rank(), type_url.into(), name.into())
}

fn encode(type_url: &str, message: &impl Message) -> Vec<u8> {
    let mut body = message.encode_to_vec();
    order_maps(type_url, &mut body);
    body
}

impl State {
    /// Forgets removals that every stream has been sent.
    pub(crate) fn prune(&mut self) {
        for (type_url, table) in &mut self.tables.by_type {
            table.prune(self.streams.removals_sent(type_url).unwrap_or(self.tables.head));
        }
    }
}

impl Tables {
    fn set(&mut self, type_url: &str, name: &str, body: &[u8]) -> bool {
        let seq = self.head + 1;
        if !self.by_type.contains_key(type_url) {
            self.by_type.insert(type_url.into(), Table::default());
        }
        let changed = self.by_type.get_mut(type_url).is_some_and(|table| table.set(name, body, seq));
        self.head += u64::from(changed);
        changed
    }

    fn remove(&mut self, type_url: &str, name: &str) -> bool {
        let seq = self.head + 1;
        let changed = self.by_type.get_mut(type_url).is_some_and(|table| table.remove(name, seq));
        self.head += u64::from(changed);
        changed
    }
}

impl Catalog for Tables {
    fn head(&self) -> u64 {
        self.head
    }

    fn find(&self, type_url: &str, name: &str) -> Option<Entry<'_>> {
        self.by_type.get(type_url)?.find(name)
    }

    fn all<'a>(
        &'a self,
        type_url: &str,
        namespace: Option<&str>,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        self.by_type
            .get(type_url)
            .map_or_else(|| Box::new(std::iter::empty()) as _, |table| table.all(namespace))
    }

    fn changed<'a>(
        &'a self,
        type_url: &str,
        after: u64,
        up_to: u64,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        Box::new(self.by_type.get(type_url).into_iter().flat_map(move |table| table.changed(after, up_to)))
    }

    fn removed<'a>(
        &'a self,
        type_url: &str,
        after: u64,
        up_to: u64,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        Box::new(self.by_type.get(type_url).into_iter().flat_map(move |table| table.removed(after, up_to)))
    }

    fn forgotten(&self, type_url: &str) -> u64 {
        self.by_type.get(type_url).map_or(0, Table::forgotten)
    }
}

#[cfg(test)]
mod tests;
