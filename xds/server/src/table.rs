//! The resources of one type and their history. Knows nothing of streams.
//!
//! The history is compacted by construction: each name is in it once, at its last change. So a stream that was away for a
//! million changes of ten resources has ten to catch up with, nothing falls off an end, and a stream needs one number.

use std::collections::BTreeMap;
use std::ops::Bound;

use forebay_base::alike::Examples;
use forebay_base::tree::Tree;
use forebay_xds_wire::server::Entry;

use crate::record::{Record, hash};

/// Removals that are remembered for streams that have not heard of them. 65,536: some 10 MB for a stream that is stuck;
/// one that misses more is ended and starts from what it holds.
const MAX_GONE: usize = 65_536;

#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By name, with the number of the last change.
    live: Tree<Record, u64>,
    /// The same by that number.
    history: Tree<u64, Record>,
    /// Removed and not back, as they last were, while a stream has not heard of it.
    gone: BTreeMap<u64, Record>,
    gone_names: BTreeMap<Record, u64>,
    /// Removals up to here may be missing from `gone`.
    forgotten: u64,
    /// What the bodies are packed by.
    examples: Examples,
}

impl Table {
    /// Stores a resource as change number `seq`; false when it is there with the same content.
    pub(crate) fn set(&mut self, name: &str, body: &[u8], seq: u64) -> bool {
        let version = hash(body);
        if let Some((old, &at)) = self.live.get_key_value(name.as_bytes()) {
            if old.version() == version {
                return false;
            }
            self.history.remove(&at);
            // An insert alone would keep the old key, and with it the old content.
            self.live.remove(name.as_bytes());
        }
        let record = Record::new(name, version, body, &mut self.examples);
        if let Some(at) = self.gone_names.remove(&record) {
            self.gone.remove(&at);
        }
        self.history.insert(seq, record.clone());
        self.live.insert(record, seq);
        true
    }

    /// Removes a resource as change number `seq`; false when there is none.
    pub(crate) fn remove(&mut self, name: &str, seq: u64) -> bool {
        let Some((record, at)) = self.live.remove_entry(name.as_bytes()) else { return false };
        self.history.remove(&at);
        self.gone.insert(seq, record.clone());
        self.gone_names.insert(record, seq);
        if self.gone.len() > MAX_GONE
            && let Some((at, record)) = self.gone.pop_first()
        {
            self.gone_names.remove(&record);
            self.forgotten = at;
        }
        true
    }

    /// Forgets removals that every stream has heard of.
    pub(crate) fn prune(&mut self, heard: u64) {
        while let Some(entry) = self.gone.first_entry()
            && *entry.key() <= heard
        {
            let (at, record) = entry.remove_entry();
            self.gone_names.remove(&record);
            self.forgotten = self.forgotten.max(at);
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.live.contains_key(name.as_bytes())
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) fn find(&self, name: &str) -> Option<Entry<'_>> {
        self.live.get_key_value(name.as_bytes()).map(|(record, &seq)| self.entry(seq, record))
    }

    pub(crate) fn all(&self, namespace: Option<&str>) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match namespace {
            None => Box::new(self.live.iter().map(|(record, &seq)| self.entry(seq, record))),
            Some(space) => {
                let from = format!("{space}/");
                // The byte after '/' ends the range; names deeper down belong to other namespaces.
                let to = format!("{space}0");
                let depth = from.len();
                let bounds = (Bound::Included(from.as_bytes()), Bound::Excluded(to.as_bytes()));
                let inside = self.live.range::<[u8], _>(bounds);
                let direct = inside.filter(move |(record, _)| {
                    record.name().get(depth..).is_some_and(|rest| !rest.contains('/'))
                });
                Box::new(direct.map(|(record, &seq)| self.entry(seq, record)))
            }
        }
    }

    pub(crate) fn changed(&self, after: u64, up_to: u64) -> impl Iterator<Item = Entry<'_>> {
        self.range(&self.history, after, up_to)
    }

    pub(crate) fn removed(&self, after: u64, up_to: u64) -> impl Iterator<Item = Entry<'_>> {
        self.range(&self.gone, after, up_to)
    }

    fn range<'t>(
        &'t self,
        map: &'t BTreeMap<u64, Record>,
        after: u64,
        up_to: u64,
    ) -> impl Iterator<Item = Entry<'t>> {
        // An upside-down range would panic.
        let bounds = (Bound::Excluded(after), Bound::Included(up_to.max(after.saturating_add(1))));
        map.range(bounds).filter(move |(seq, _)| **seq <= up_to).map(|(seq, record)| self.entry(*seq, record))
    }

    fn entry<'t>(&'t self, seq: u64, record: &'t Record) -> Entry<'t> {
        Entry { seq, name: record.name(), version: record.version(), body: record.body(&self.examples) }
    }
}

#[cfg(test)]
mod tests;
