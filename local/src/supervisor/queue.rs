//! Whose turn it is to start. Knows nothing of how.

use std::collections::VecDeque;

use forebay_knative::RevisionKey;

use crate::platform::Urgency;

/// Two queues, first come first served, and the number of starts under way.
#[derive(Debug)]
pub(crate) struct Queue {
    urgent: VecDeque<Ticket>,
    routine: VecDeque<Ticket>,
    starting: usize,
    limit: usize,
}

type Ticket = (RevisionKey, u64);

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { urgent: VecDeque::new(), routine: VecDeque::new(), starting: 0, limit: limit.max(1) }
    }

    /// A ticket may be in both queues: who was routine can become urgent.
    pub(crate) fn push(&mut self, key: RevisionKey, id: u64, urgency: Urgency) {
        match urgency {
            Urgency::Routine => self.routine.push_back((key, id)),
            Urgency::Waiting => self.urgent.push_back((key, id)),
        }
    }

    /// Takes the next ticket that may start now and that `still` stands; it then counts as starting.
    pub(crate) fn next(&mut self, still: impl Fn(&RevisionKey, u64) -> bool) -> Option<Ticket> {
        loop {
            // Slow routine starts should not keep a waiting request from its replica, nor may a burst of requests to
            // a thousand revisions start a thousand programs at once.
            let ticket = if self.starting < self.limit * URGENT_FACTOR && !self.urgent.is_empty() {
                self.urgent.pop_front()?
            } else if self.starting < self.limit {
                self.routine.pop_front()?
            } else {
                return None;
            };
            if still(&ticket.0, ticket.1) {
                self.starting += 1;
                return Some(ticket);
            }
        }
    }

    /// One start is over.
    pub(crate) fn release(&mut self) {
        self.starting = self.starting.saturating_sub(1);
    }
}

/// By how much urgent starts may exceed the limit.
const URGENT_FACTOR: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RevisionKey {
        RevisionKey::new("default", name)
    }

    #[test]
    fn urgent_ones_first_then_in_order_within_the_limit() {
        let mut queue = Queue::new(2);
        for (id, urgency) in
            [(1, Urgency::Routine), (2, Urgency::Routine), (3, Urgency::Waiting), (4, Urgency::Routine)]
        {
            queue.push(key("a"), id, urgency);
        }
        let mut next = || queue.next(|_, id| id != 2).map(|(_, id)| id);
        assert_eq!((next(), next(), next()), (Some(3), Some(1), None));
        queue.release();
        // 2 no longer stands.
        assert_eq!(queue.next(|_, id| id != 2).map(|(_, id)| id), Some(4));
        assert_eq!(queue.starting, 2);
    }

    #[test]
    fn urgent_ones_may_exceed_the_limit_fourfold() {
        let mut queue = Queue::new(1);
        for id in 0..9 {
            queue.push(key("a"), id, Urgency::Waiting);
        }
        assert_eq!(std::iter::from_fn(|| queue.next(|_, _| true)).count(), 4);
    }
}
