//! Who waits until when. Knows nothing of what they wait for.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

use super::held::Kind;

/// Alarms, earliest first. One that is not needed any more stays until it is due and then finds nobody waiting.
#[derive(Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, Kind, Arc<str>)>>,
}

impl Deadlines {
    pub(crate) fn add(&mut self, at: Instant, kind: Kind, name: &Arc<str>) {
        self.heap.push(Reverse((at, kind, name.clone())));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes out one whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(Kind, Arc<str>)> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, kind, name)) = self.heap.pop()?;
        if self.heap.is_empty() {
            // Thousands may have waited at the start, and never again.
            self.heap = BinaryHeap::new();
        }
        Some((kind, name))
    }
}
