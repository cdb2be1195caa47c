//! What a change brings about, collected while it is made. Knows nothing of the resources.

use std::sync::Arc;
use std::time::Instant;

use foldhash::HashMap;
use forebay_proto::type_url;

use crate::cluster::Dns;
use crate::read::Invalid;
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

    pub(crate) fn reject(&mut self, name: &str, why: &Invalid) {
        self.rejected.push(Rejected { name: name.to_owned(), message: why.to_string() });
    }

    pub(crate) fn applied(self, interests: Vec<Interest>) -> Applied {
        Applied { rejected: self.rejected, update: self.update, interests, resolve: self.resolve }
    }
}

/// Who wants which names of one type: every listener its routes, every cluster its endpoints.
pub(crate) struct Wanted {
    type_url: &'static str,
    /// How many want each name; never 0.
    counts: HashMap<Arc<str>, u32>,
    /// Names whose count changed since [`Wanted::changes`], and whether they were wanted before.
    touched: HashMap<Arc<str>, bool>,
}

impl Wanted {
    pub(crate) fn routes() -> Self {
        Self::of(type_url::ROUTE)
    }

    pub(crate) fn virtual_hosts() -> Self {
        Self::of(type_url::VIRTUAL_HOST)
    }

    pub(crate) fn endpoints() -> Self {
        Self::of(type_url::ENDPOINTS)
    }

    fn of(type_url: &'static str) -> Self {
        Wanted { type_url, counts: HashMap::default(), touched: HashMap::default() }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.counts.contains_key(name)
    }

    pub(crate) fn add(&mut self, name: &Arc<str>) {
        let count = self.counts.entry(name.clone()).or_insert(0);
        self.touched.entry(name.clone()).or_insert(*count > 0);
        *count += 1;
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let Some((name, count)) = self.counts.get_key_value(name) else { return };
        let (name, count) = (name.clone(), *count);
        self.touched.entry(name.clone()).or_insert(true);
        match count {
            1 => self.counts.remove(&name),
            more => self.counts.insert(name, more - 1),
        };
    }

    /// What is wanted now and was not, and the other way round, in order.
    pub(crate) fn changes(&mut self) -> Option<Interest> {
        let mut interest = Interest { type_url: self.type_url, add: Vec::new(), remove: Vec::new() };
        for (name, before) in self.touched.drain() {
            match (before, self.counts.contains_key(&name)) {
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
