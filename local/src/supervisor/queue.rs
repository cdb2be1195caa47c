//! Whose turn it is to start. Knows nothing of how.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use forebay_knative::RevisionKey;

/// Three queues, each first come first served, and the starts under way.
#[derive(Debug)]
pub(crate) struct Queue {
    first: VecDeque<Ticket>,
    /// Each with the end of the head start that first ones have before it.
    further: VecDeque<(Instant, Ticket)>,
    routine: VecDeque<Ticket>,
    starting: usize,
    /// First ones among them.
    firsts: usize,
    limit: usize,
}

type Ticket = (RevisionKey, u64);

/// How soon a replica is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Requests wait, and no other replica is on its way to them.
    First,
    /// Requests wait, and there is another replica for them, now or soon.
    Further,
    Routine,
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            first: VecDeque::new(),
            further: VecDeque::new(),
            routine: VecDeque::new(),
            starting: 0,
            firsts: 0,
            limit: limit.max(1),
        }
    }

    /// A ticket may be in two queues: who was routine can become urgent.
    pub(crate) fn push(&mut self, key: RevisionKey, id: u64, rank: Rank, now: Instant) {
        match rank {
            Rank::First => self.first.push_back((key, id)),
            Rank::Further => self.further.push_back((now + HEAD_START, (key, id))),
            Rank::Routine => self.routine.push_back((key, id)),
        }
    }

    /// Takes the next ticket that may start now and that `still` stands; it then counts as starting.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        still: impl Fn(&RevisionKey, u64) -> bool,
    ) -> Option<(Ticket, Rank)> {
        loop {
            let (ticket, rank) = self.pop(now)?;
            if still(&ticket.0, ticket.1) {
                self.starting += 1;
                self.firsts += usize::from(rank == Rank::First);
                return Some((ticket, rank));
            }
        }
    }

    fn pop(&mut self, now: Instant) -> Option<(Ticket, Rank)> {
        // Slow routine starts should not keep a waiting request from its replica, nor may a burst of requests to a
        // thousand revisions start a thousand programs at once.
        if self.starting < self.limit * URGENT_FACTOR {
            if let Some(ticket) = self.first.pop_front() {
                return Some((ticket, Rank::First));
            }
            if self.wake(now).is_none()
                && let Some((_, ticket)) = self.further.pop_front()
            {
                return Some((ticket, Rank::Further));
            }
        }
        let ticket = if self.starting < self.limit { self.routine.pop_front() } else { None };
        ticket.map(|ticket| (ticket, Rank::Routine))
    }

    /// When to look again though nothing happens: the end of a head start for which somebody holds back.
    pub(crate) fn wake(&self, now: Instant) -> Option<Instant> {
        let (until, _) = self.further.front().filter(|_| self.firsts > 0)?;
        (*until > now).then_some(*until)
    }

    /// A start is over.
    pub(crate) fn release(&mut self, rank: Rank) {
        self.starting = self.starting.saturating_sub(1);
        self.firsts = self.firsts.saturating_sub(usize::from(rank == Rank::First));
    }
}

/// By how much urgent starts may exceed the limit.
const URGENT_FACTOR: usize = 4;

/// How long further replicas hold back while first ones start. A program's start is work for a processor, and on a machine
/// with few of them the second one only makes the first late. 100 ms: what starts fast has started, and what waits for
/// something else than a processor leaves it to others.
const HEAD_START: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RevisionKey {
        RevisionKey::new("default", name)
    }

    fn started(queue: &mut Queue, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| queue.next(now, |_, id| id != 2)).map(|((_, id), _)| id).collect()
    }

    #[test]
    fn those_waited_for_first_then_in_order_within_the_limit() {
        let (mut queue, now) = (Queue::new(2), Instant::now());
        for (id, rank) in [(1, Rank::Routine), (2, Rank::Routine), (3, Rank::First), (4, Rank::Routine)] {
            queue.push(key("a"), id, rank, now);
        }
        assert_eq!(started(&mut queue, now), [3, 1]);
        queue.release(Rank::First);
        // 2 no longer stands.
        assert_eq!(started(&mut queue, now), [4]);
        assert_eq!(queue.starting, 2);
    }

    #[test]
    fn those_waited_for_may_exceed_the_limit_fourfold() {
        let (mut queue, now) = (Queue::new(1), Instant::now());
        for id in 10..19 {
            queue.push(key("a"), id, Rank::First, now);
        }
        assert_eq!(started(&mut queue, now).len(), 4);
        let mut queue = Queue::new(1);
        for id in 10..19 {
            queue.push(key("a"), id, Rank::Further, now);
        }
        assert_eq!(started(&mut queue, now).len(), 4);
    }

    #[test]
    fn every_revisions_first_replica_before_any_second_one() {
        let (mut queue, now) = (Queue::new(4), Instant::now());
        for (name, id, rank) in [
            ("a", 10, Rank::First),
            ("a", 11, Rank::Further),
            ("b", 12, Rank::First),
            ("b", 13, Rank::Further),
        ] {
            queue.push(key(name), id, rank, now);
        }
        assert_eq!(started(&mut queue, now), [10, 12]);
        assert_eq!(queue.wake(now), Some(now + HEAD_START));
        queue.release(Rank::First);
        assert!(started(&mut queue, now).is_empty(), "the other one still starts");
        queue.release(Rank::First);
        assert_eq!(started(&mut queue, now), [11, 13]);
    }

    #[test]
    fn a_head_start_ends() {
        let (mut queue, now) = (Queue::new(4), Instant::now());
        queue.push(key("a"), 10, Rank::First, now);
        queue.push(key("a"), 11, Rank::Further, now);
        assert_eq!(started(&mut queue, now), [10]);
        let later = now + HEAD_START;
        assert_eq!(queue.wake(later), None);
        assert_eq!(started(&mut queue, later), [11]);
    }
}
