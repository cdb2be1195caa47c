//! A persistent hash table from text to virtual host: a changed copy shares every shard the change did not touch. Knows
//! nothing of wildcards.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::domain_list::Place;
use crate::virtual_host::VirtualHost;

/// Cloning is one reference count; the first write after it copies the list of shards, then each shard it touches.
#[derive(Clone)]
pub(crate) struct Shards<E> {
    hasher: RandomState,
    len: usize,
    /// Empty until something is inserted, then [`COUNT`] long.
    shards: Arc<Vec<Arc<HashTable<E>>>>,
}

/// A virtual host under a text.
pub(crate) trait Entry: Clone {
    fn key(&self) -> &str;
    fn host(&self) -> &Arc<VirtualHost>;
}

/// Under any text.
#[derive(Clone)]
pub(crate) struct Keyed {
    pub(crate) key: Arc<str>,
    pub(crate) host: Arc<VirtualHost>,
}

impl Entry for Keyed {
    #[inline]
    fn key(&self) -> &str {
        &self.key
    }

    #[inline]
    fn host(&self) -> &Arc<VirtualHost> {
        &self.host
    }
}

/// Under one of its own domains, which is not kept twice: every virtual host has some, and half of a table's places are empty.
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) host: Arc<VirtualHost>,
    /// Which.
    pub(crate) domain: Place,
}

impl Entry for Own {
    #[inline]
    fn key(&self) -> &str {
        self.host.domains.at(self.domain)
    }

    #[inline]
    fn host(&self) -> &Arc<VirtualHost> {
        &self.host
    }
}

impl<E: Entry> Shards<E> {
    /// `hasher` is seeded per process: keys come from configuration, the hosts looked up from anybody.
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self { hasher, len: 0, shards: Arc::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&E> {
        if self.len == 0 {
            return None;
        }
        let hash = self.hash(key);
        self.shards[shard(hash)].find(hash, |entry| entry.key().as_bytes() == key)
    }

    /// Puts an entry in and gives back the one it replaces.
    pub(crate) fn insert(&mut self, entry: E) -> Option<E> {
        let hash = self.hash(entry.key().as_bytes());
        let hasher = self.hasher.clone();
        let table = self.shard_mut(hash);
        if let Some(old) = table.find_mut(hash, |old| old.key() == entry.key()) {
            return Some(std::mem::replace(old, entry));
        }
        table.insert_unique(hash, entry, |entry| hash_with(&hasher, entry.key().as_bytes()));
        self.len += 1;
        None
    }

    /// Takes the entry out, if it belongs to `host`.
    pub(crate) fn remove_of(&mut self, key: &str, host: &Arc<VirtualHost>) -> bool {
        if !self.get(key.as_bytes()).is_some_and(|entry| Arc::ptr_eq(entry.host(), host)) {
            return false;
        }
        let hash = self.hash(key.as_bytes());
        if let Ok(entry) = self.shard_mut(hash).find_entry(hash, |entry| entry.key() == key) {
            entry.remove();
            self.len -= 1;
        }
        true
    }

    /// In no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    /// How many shards two tables share, of how many.
    #[cfg(test)]
    pub(crate) fn shared(&self, other: &Self) -> (usize, usize) {
        let same = self.shards.iter().zip(other.shards.iter()).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        (same, self.shards.len())
    }

    fn shard_mut(&mut self, hash: u64) -> &mut HashTable<E> {
        let shards = Arc::make_mut(&mut self.shards);
        if shards.is_empty() {
            *shards = vec![Arc::default(); COUNT];
        }
        Arc::make_mut(&mut shards[shard(hash)])
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        hash_with(&self.hasher, key)
    }
}

/// 256 shards: a change at 10 000 hosts copies 40 entries and a list of 2 KiB.
const COUNT: usize = 256;

/// Bits 32 and up choose the shard: hashbrown uses the lowest bits for the place and the highest seven for the tag.
#[inline]
fn shard(hash: u64) -> usize {
    (hash >> 32) as usize % COUNT
}

#[inline]
fn hash_with(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(key);
    state.finish()
}
