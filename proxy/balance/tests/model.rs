//! The gate against a simple reference queue, over random sequences of events.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use forebay_balance::{Bounds, Capacity, Full, Gate, Permit, Wait};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Event {
    Enter,
    Wait(u64),
    /// Polls the n-th wait.
    Poll(usize),
    /// Drops the n-th wait.
    Cancel(usize),
    /// Drops the n-th permit.
    Finish(usize),
    SetCapacity(Capacity),
    SetBounds(Bounds),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let capacity = prop_oneof![
        1 => Just(Capacity::Closed),
        1 => Just(Capacity::Unlimited),
        3 => (0u32..5).prop_map(Capacity::Slots),
    ];
    let bounds = (0u32..8, 0u64..40).prop_map(|(max_waiting, max_bytes)| Bounds { max_waiting, max_bytes });
    let event = prop_oneof![
        3 => Just(Event::Enter),
        6 => (0u64..12).prop_map(Event::Wait),
        3 => any::<usize>().prop_map(Event::Poll),
        2 => any::<usize>().prop_map(Event::Cancel),
        4 => any::<usize>().prop_map(Event::Finish),
        2 => capacity.prop_map(Event::SetCapacity),
        1 => bounds.prop_map(Event::SetBounds),
    ];
    prop::collection::vec(event, 0..120)
}

/// What the gate should be, written for clarity: a number, a queue, and a rule.
struct Reference {
    capacity: Capacity,
    bounds: Bounds,
    running: u32,
    /// Numbers of those who wait and the bytes they hold, oldest first.
    queue: VecDeque<(usize, u64)>,
}

impl Reference {
    fn has_slot(&self) -> bool {
        match self.capacity {
            Capacity::Closed => false,
            Capacity::Slots(slots) => self.running < slots,
            Capacity::Unlimited => true,
        }
    }

    fn enter(&mut self) -> bool {
        let may = self.queue.is_empty() && self.has_slot();
        self.running += u32::from(may);
        may
    }

    fn bytes(&self) -> u64 {
        self.queue.iter().map(|(_, bytes)| bytes).sum()
    }

    fn wait(&mut self, number: usize, bytes: u64) -> Result<(), Full> {
        if self.enter() {
            return Ok(());
        }
        let (waiting, limit) = (self.queue.len() as u32, self.bounds.max_waiting);
        if waiting >= limit {
            return Err(Full::Count { waiting, limit });
        }
        let (held, limit) = (self.bytes(), self.bounds.max_bytes);
        if held + bytes > limit {
            return Err(Full::Bytes { waiting: held, asked: bytes, limit });
        }
        self.queue.push_back((number, bytes));
        Ok(())
    }

    fn serve(&mut self) {
        while self.has_slot() && self.queue.pop_front().is_some() {
            self.running += 1;
        }
    }

    fn waits(&self, number: usize) -> bool {
        self.queue.iter().any(|(it, _)| *it == number)
    }
}

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Waiting {
    number: usize,
    wait: Wait,
    bell: Arc<Bell>,
    /// Was pending at a poll, so that its bell must ring at its turn.
    polled: bool,
}

fn poll(wait: &mut Wait, bell: &Arc<Bell>) -> Poll<Permit> {
    Pin::new(wait).poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell))))
}

fn run(events: Vec<Event>) {
    let bounds = Bounds { max_waiting: 5, max_bytes: 30 };
    let gate = Gate::new(bounds);
    let mut reference = Reference { capacity: Capacity::Closed, bounds, running: 0, queue: VecDeque::new() };
    let mut permits = Vec::new();
    let mut waits: Vec<Waiting> = Vec::new();
    for (number, event) in events.into_iter().enumerate() {
        match event {
            Event::Enter => {
                let permit = gate.try_enter();
                assert_eq!(permit.is_some(), reference.enter());
                permits.extend(permit);
            }
            Event::Wait(bytes) => {
                let wait = gate.wait(bytes, Instant::now());
                assert_eq!(wait.as_ref().err().copied(), reference.wait(number, bytes).err());
                waits.extend(wait.map(|wait| Waiting { number, wait, bell: Arc::default(), polled: false }));
            }
            Event::Poll(which) if !waits.is_empty() => {
                let at = which % waits.len();
                let it = &mut waits[at];
                match poll(&mut it.wait, &it.bell) {
                    Poll::Pending => it.polled = true,
                    Poll::Ready(permit) => {
                        assert!(!reference.waits(it.number), "nobody is admitted before its turn");
                        permits.push(permit);
                        waits.remove(at);
                    }
                }
            }
            Event::Cancel(which) if !waits.is_empty() => {
                let it = waits.remove(which % waits.len());
                if reference.waits(it.number) {
                    reference.queue.retain(|(number, _)| *number != it.number);
                } else {
                    reference.running -= 1;
                }
                reference.serve();
            }
            Event::Finish(which) if !permits.is_empty() => {
                drop(permits.swap_remove(which % permits.len()));
                reference.running -= 1;
                reference.serve();
            }
            Event::Poll(_) | Event::Cancel(_) | Event::Finish(_) => {}
            Event::SetCapacity(capacity) => {
                gate.set_capacity(capacity);
                reference.capacity = capacity;
                reference.serve();
            }
            Event::SetBounds(bounds) => {
                gate.set_bounds(bounds);
                reference.bounds = bounds;
            }
        }
        assert_eq!(gate.in_flight(), reference.running);
        assert_eq!(gate.waiting() as usize, reference.queue.len());
        assert_eq!(gate.waiting_bytes(), reference.bytes());
        for it in &waits {
            let due = it.polled && !reference.waits(it.number);
            assert_eq!(
                it.bell.0.load(Ordering::SeqCst),
                usize::from(due),
                "exactly those whose turn came are woken"
            );
        }
    }
    drop((permits, waits));
    assert_eq!((gate.in_flight(), gate.waiting(), gate.waiting_bytes()), (0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_is_the_reference(events in events()) {
        run(events);
    }
}
