use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

const ROOMY: Bounds = Bounds { max_waiting: 100, max_bytes: 1000 };

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn gate(capacity: Capacity) -> Arc<Gate> {
    let gate = Gate::new(ROOMY);
    gate.set_capacity(capacity);
    gate
}

fn wait(gate: &Arc<Gate>) -> Wait {
    gate.wait(0, Instant::now()).unwrap()
}

fn poll(wait: &mut Wait, bell: &Arc<Bell>) -> Option<Permit> {
    match pin!(wait).poll(&mut Context::from_waker(&Waker::from(Arc::clone(bell)))) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

#[test]
fn a_new_gate_is_closed_and_holds_all() {
    let gate = Gate::new(ROOMY);
    assert_eq!(gate.capacity(), Capacity::Closed);
    assert!(gate.try_enter().is_none());
    let bell = Arc::default();
    let mut waits = [wait(&gate), wait(&gate)];
    assert!(waits.iter_mut().all(|wait| poll(wait, &bell).is_none()));
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 2));
}

#[test]
fn slots_are_counted_exactly() {
    let gate = gate(Capacity::Slots(2));
    let one = gate.try_enter().unwrap();
    let _two = gate.try_enter().unwrap();
    assert!(gate.try_enter().is_none());
    assert_eq!(gate.in_flight(), 2);
    drop(one);
    assert_eq!(gate.in_flight(), 1);
    assert!(gate.try_enter().is_some());
}

#[test]
fn unlimited_lets_all_in() {
    let gate = gate(Capacity::Unlimited);
    let permits: Vec<_> = (0..1000).map(|_| gate.try_enter().unwrap()).collect();
    assert_eq!(gate.in_flight(), 1000);
    drop(permits);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn a_released_slot_goes_to_the_oldest_and_wakes_only_that_one() {
    let gate = gate(Capacity::Slots(1));
    let permit = gate.try_enter().unwrap();
    let bells: [Arc<Bell>; 2] = Default::default();
    let (mut first, mut second) = (wait(&gate), wait(&gate));
    assert!(poll(&mut first, &bells[0]).is_none() && poll(&mut second, &bells[1]).is_none());
    drop(permit);
    assert_eq!((bells[0].rung(), bells[1].rung()), (1, 0));
    assert_eq!((gate.in_flight(), gate.waiting()), (1, 1));
    assert!(gate.try_enter().is_none(), "a newcomer does not overtake");
    assert!(poll(&mut second, &bells[1]).is_none());
    drop(poll(&mut first, &bells[0]).unwrap());
    assert_eq!(bells[1].rung(), 1);
    assert!(poll(&mut second, &bells[1]).is_some());
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
    assert_eq!(gate.totals(), Totals { admitted: 2, left: 0, refused: 0 });
}

#[test]
fn a_wait_with_a_free_slot_is_over_at_once_whatever_the_bounds() {
    let gate = Gate::new(Bounds { max_waiting: 0, max_bytes: 0 });
    gate.set_capacity(Capacity::Slots(1));
    let mut wait = gate.wait(10, Instant::now()).unwrap();
    assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
    assert!(poll(&mut wait, &Arc::default()).is_some());
    assert_eq!(gate.in_flight(), 0);
    drop(gate.wait(10, Instant::now()).unwrap());
    assert_eq!(gate.in_flight(), 0, "a wait that never was polled gives its slot back");
}

#[test]
fn a_wait_that_leaves_after_its_turn_came_passes_it_on() {
    let gate = gate(Capacity::Slots(1));
    let permit = gate.try_enter().unwrap();
    let bell = Arc::default();
    let (first, mut second) = (wait(&gate), wait(&gate));
    assert!(poll(&mut second, &bell).is_none());
    drop(permit);
    assert_eq!(bell.rung(), 0);
    drop(first);
    assert_eq!(bell.rung(), 1);
    assert!(poll(&mut second, &bell).is_some());
}

#[test]
fn who_leaves_frees_its_place_at_once() {
    let gate = Gate::new(Bounds { max_waiting: 2, max_bytes: 100 });
    let now = Instant::now();
    let (first, _second) = (gate.wait(60, now).unwrap(), gate.wait(40, now).unwrap());
    assert_eq!(gate.wait(0, now).err(), Some(Full::Count { waiting: 2, limit: 2 }));
    drop(first);
    assert_eq!((gate.waiting(), gate.waiting_bytes()), (1, 40));
    assert_eq!(gate.wait(61, now).err(), Some(Full::Bytes { waiting: 40, asked: 61, limit: 100 }));
    let third = gate.wait(60, now).unwrap();
    assert_eq!((gate.waiting(), gate.waiting_bytes()), (2, 100));
    drop(third);
    assert_eq!(gate.totals(), Totals { admitted: 0, left: 2, refused: 2 });
}

#[test]
fn a_refusal_names_the_numbers() {
    let gate = Gate::new(Bounds { max_waiting: 0, max_bytes: 0 });
    let refused = gate.wait(1, Instant::now()).err().unwrap();
    assert_eq!(refused.to_string(), "0 requests wait, at most 0 may");
    gate.set_bounds(Bounds { max_waiting: 1, max_bytes: 0 });
    let refused = gate.wait(7, Instant::now()).err().unwrap();
    assert_eq!(refused.to_string(), "0 bytes of requests wait and this one has 7, at most 0 may");
}

#[test]
fn more_capacity_wakes_as_many_as_fit_in_order() {
    let gate = gate(Capacity::Closed);
    let bells: [Arc<Bell>; 5] = Default::default();
    let mut waits: Vec<_> = bells.iter().map(|_| wait(&gate)).collect();
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        assert!(poll(wait, bell).is_none());
    }
    let rung = || bells.each_ref().map(|bell| bell.rung());
    gate.set_capacity(Capacity::Slots(2));
    assert_eq!(rung(), [1, 1, 0, 0, 0]);
    gate.set_capacity(Capacity::Slots(3));
    assert_eq!(rung(), [1, 1, 1, 0, 0]);
    gate.set_capacity(Capacity::Unlimited);
    assert_eq!(rung(), [1; 5]);
    assert_eq!((gate.in_flight(), gate.waiting()), (5, 0));
}

#[test]
fn less_capacity_cancels_nobody() {
    let gate = gate(Capacity::Slots(3));
    let permits = [gate.try_enter(), gate.try_enter(), gate.try_enter()].map(Option::unwrap);
    let mut waiting = wait(&gate);
    let bell = Arc::default();
    assert!(poll(&mut waiting, &bell).is_none());
    gate.set_capacity(Capacity::Slots(1));
    let [one, two, three] = permits;
    drop((one, two));
    assert_eq!((bell.rung(), gate.in_flight(), gate.waiting()), (0, 1, 1));
    drop(three);
    assert_eq!((bell.rung(), gate.in_flight(), gate.waiting()), (1, 1, 0));
}

#[test]
fn closing_keeps_those_who_wait() {
    let gate = gate(Capacity::Slots(1));
    let permit = gate.try_enter().unwrap();
    let mut waiting = wait(&gate);
    gate.set_capacity(Capacity::Closed);
    drop(permit);
    let bell = Arc::default();
    assert!(poll(&mut waiting, &bell).is_none());
    gate.set_capacity(Capacity::Slots(1));
    assert_eq!(bell.rung(), 1);
}

#[test]
fn the_oldest_wait_is_the_oldest_still_there() {
    let gate = gate(Capacity::Closed);
    let start = Instant::now();
    let after = |ms| start + Duration::from_millis(ms);
    assert_eq!(gate.oldest_wait(start), None);
    let first = gate.wait(0, start).unwrap();
    let second = gate.wait(0, after(10)).unwrap();
    assert_eq!(gate.oldest_wait(after(30)), Some(Duration::from_millis(30)));
    drop(first);
    assert_eq!(gate.oldest_wait(after(30)), Some(Duration::from_millis(20)));
    assert_eq!(second.since(), after(10));
}

#[test]
fn a_wait_wakes_the_task_that_polled_last() {
    let gate = gate(Capacity::Slots(1));
    let permit = gate.try_enter().unwrap();
    let mut waiting = wait(&gate);
    let bells: [Arc<Bell>; 2] = Default::default();
    assert!(poll(&mut waiting, &bells[0]).is_none() && poll(&mut waiting, &bells[1]).is_none());
    assert_eq!(Arc::strong_count(&bells[0]), 1, "the old waker is let go");
    drop(permit);
    assert_eq!((bells[0].rung(), bells[1].rung()), (0, 1));
}

#[test]
fn a_waker_may_own_another_wait() {
    // As a task does: the waker's last reference drops the task, and that its wait, which takes the lock.
    struct Owner(#[expect(dead_code, reason = "held for its drop")] std::sync::Mutex<Wait>);
    impl Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    let gate = gate(Capacity::Closed);
    let mut waiting = wait(&gate);
    for _ in 0..2 {
        let owner = Waker::from(Arc::new(Owner(wait(&gate).into())));
        assert!(pin!(&mut waiting).poll(&mut Context::from_waker(&owner)).is_pending());
    }
    drop(waiting);
    assert_eq!(gate.waiting(), 0);
}

#[test]
fn many_who_leave_out_of_order_leave_nothing_behind() {
    let gate = gate(Capacity::Closed);
    gate.set_bounds(Bounds { max_waiting: u32::MAX, max_bytes: u64::MAX });
    let oldest = wait(&gate);
    let mut others: Vec<_> = (0..10_000).map(|_| gate.wait(3, Instant::now()).unwrap()).collect();
    while !others.is_empty() {
        drop(others.swap_remove(others.len() / 3));
    }
    assert_eq!((gate.waiting(), gate.waiting_bytes()), (1, 0));
    assert!(gate.room().capacity() < 64, "gaps do not outlive those who made them");
    drop(oldest);
    assert_eq!(gate.waiting(), 0);
}

#[test]
fn a_handle_of_the_callers_works_as_well() {
    let gate = gate(Capacity::Slots(1));
    let permit = Gate::try_enter_with(&*gate).ok().unwrap();
    assert!(Gate::try_enter_with(&*gate).is_err());
    let mut waiting = Gate::wait_with(&*gate, 0, Instant::now()).unwrap();
    drop(permit);
    let ready = pin!(&mut waiting).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    assert!(ready);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn a_permit_is_one_pointer() {
    assert_eq!(size_of::<Permit>(), size_of::<usize>());
    // With two counts, a cache line.
    assert_eq!(size_of::<Gate>(), 64 - 2 * size_of::<usize>());
}
