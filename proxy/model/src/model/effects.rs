//! What a change brings about, collected while it is made. Knows nothing of the resources.

use std::sync::Arc;
use std::time::Instant;

use foldhash::HashMap;

use super::held::Kind;
use crate::cluster::Dns;
use crate::update::{Applied, Interest, Rejected, Update};

/// Collected effects.
pub(crate) struct Effects {
    pub(crate) now: Instant,
    pub(crate) update: Update,
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) resolve: Vec<(Arc<str>, Option<Dns>)>,
}

impl Effects {
    pub(crate) fn new(now: Instant) -> Self {
        Effects { now, update: Update::default(), rejected: Vec::new(), resolve: Vec::new() }
    }

    pub(crate) fn reject(&mut self, name: &str, message: &str, again: bool) {
        self.rejected.push(Rejected { name: name.to_owned(), message: message.to_owned(), again });
    }

    pub(crate) fn applied(self, interests: Vec<Interest>) -> Applied {
        Applied { rejected: self.rejected, update: self.update, interests, resolve: self.resolve }
    }
}

/// Which route configurations or virtual hosts are wanted, and by how many.
pub(crate) struct Wanted {
    /// How many want each name; never 0.
    counts: HashMap<Arc<str>, u32>,
    touched: Touched,
}

impl Wanted {
    pub(crate) fn of(kind: Kind) -> Self {
        Wanted { counts: HashMap::default(), touched: Touched::of(kind) }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.counts.contains_key(name)
    }

    pub(crate) fn add(&mut self, name: &Arc<str>) {
        let count = self.counts.entry(name.clone()).or_insert(0);
        self.touched.was(name, *count > 0);
        *count += 1;
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let Some((name, count)) = self.counts.get_key_value(name) else { return };
        let (name, count) = (name.clone(), *count);
        self.touched.was(&name, true);
        match count {
            1 => self.counts.remove(&name),
            more => self.counts.insert(name, more - 1),
        };
    }

    /// What is wanted now and was not, and the other way round.
    pub(crate) fn changes(&mut self) -> Option<Interest> {
        self.touched.changes(|name| self.counts.contains_key(name))
    }
}

/// Names that began or ceased to be wanted, perhaps: whether they were when they were first touched.
pub(crate) struct Touched {
    kind: Kind,
    before: HashMap<Arc<str>, bool>,
}

impl Touched {
    pub(crate) fn of(kind: Kind) -> Self {
        Touched { kind, before: HashMap::default() }
    }

    /// A name is about to change.
    pub(crate) fn was(&mut self, name: &Arc<str>, wanted: bool) {
        self.before.entry(name.clone()).or_insert(wanted);
    }

    /// What changed since the last call, in order.
    pub(crate) fn changes(&mut self, wanted: impl Fn(&str) -> bool) -> Option<Interest> {
        let type_url = self.kind.type_url();
        let mut interest = Interest { type_url, add: Vec::new(), remove: Vec::new() };
        for (name, before) in std::mem::take(&mut self.before) {
            match (before, wanted(&name)) {
                (false, true) => interest.add.push(name),
                (true, false) => interest.remove.push(name),
                _ => {}
            }
        }
        interest.add.sort_unstable();
        interest.remove.sort_unstable();
        (!interest.add.is_empty() || !interest.remove.is_empty()).then_some(interest)
    }
}
