//! Who waits until when. Knows nothing of what they wait for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::held::Kind;

/// Alarms, earliest first. One that is not needed any more and that nobody takes away is due like any other, and finds nobody
/// waiting.
#[derive(Default)]
pub(crate) struct Deadlines {
    alarms: BTreeSet<(Instant, Kind, Arc<str>)>,
}

impl Deadlines {
    pub(crate) fn add(&mut self, at: Instant, kind: Kind, name: &Arc<str>) {
        self.alarms.insert((at, kind, name.clone()));
    }

    /// Nobody waits any more: thousands of clusters come at once, each followed by its endpoints.
    pub(crate) fn remove(&mut self, at: Instant, kind: Kind, name: &Arc<str>) {
        self.alarms.remove(&(at, kind, name.clone()));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.alarms.first().map(|(at, ..)| *at)
    }

    /// Takes out one whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(Kind, Arc<str>)> {
        if self.next()? > now {
            return None;
        }
        let (_, kind, name) = self.alarms.pop_first()?;
        Some((kind, name))
    }
}
