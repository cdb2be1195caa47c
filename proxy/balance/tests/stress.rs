//! The gate and the endpoints under threads: nothing above capacity, nobody forgotten, first come first served, and
//! everything back at zero. The numbers of rounds bound the time.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use forebay_balance::{Bounds, Capacity, Endpoint, Endpoints, Gate};
use forebay_base::rng::Rng;

const ROOMY: Bounds = Bounds { max_waiting: u32::MAX, max_bytes: u64::MAX };
const THREADS: u64 = 6;
const ROUNDS: u32 = 4000;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread; a lost wake-up makes it hang.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Counts those inside and remembers the most there ever were.
#[derive(Default)]
struct Inside {
    now: AtomicU32,
    most: AtomicU32,
}

impl Inside {
    fn visit(&self, rng: &Rng) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if rng.below(4) == 0 {
            thread::yield_now();
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Enters, waits, gives up before and after its turn: whatever requests do.
fn behave(gate: &Arc<Gate>, rng: &Rng, inside: &Inside) {
    if let Some(_permit) = gate.try_enter() {
        return inside.visit(rng);
    }
    let Ok(mut wait) = gate.wait(u64::from(rng.below(100)), Instant::now()) else { return };
    match rng.below(8) {
        0 => {}
        1 => {
            if let Poll::Ready(_permit) = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())) {
                inside.visit(rng);
            }
        }
        2 => {
            let _ = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
            thread::yield_now();
        }
        _ => {
            let _permit = block_on(wait);
            inside.visit(rng);
        }
    }
}

#[test]
fn never_above_capacity_and_everybody_is_served() {
    for capacity in [1, 3] {
        let gate = Gate::new(ROOMY);
        gate.set_capacity(Capacity::Slots(capacity));
        let inside = Inside::default();
        thread::scope(|scope| {
            for seed in 0..THREADS {
                let (gate, inside) = (&gate, &inside);
                scope.spawn(move || {
                    let rng = Rng::seeded(seed);
                    (0..ROUNDS).for_each(|_| behave(gate, &rng, inside));
                });
            }
        });
        assert!(inside.most.load(Ordering::SeqCst) <= capacity);
        assert_eq!((gate.in_flight(), gate.waiting(), gate.waiting_bytes()), (0, 0, 0));
    }
}

#[test]
fn capacity_may_change_under_load() {
    let gate = Gate::new(ROOMY);
    let inside = Inside::default();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                let (gate, inside) = (&gate, &inside);
                scope.spawn(move || {
                    let rng = Rng::seeded(seed);
                    (0..ROUNDS).for_each(|_| behave(gate, &rng, inside));
                })
            })
            .collect();
        let (gate, done) = (&gate, &done);
        scope.spawn(move || {
            let rng = Rng::seeded(99);
            while !done.load(Ordering::SeqCst) {
                gate.set_capacity(match rng.below(6) {
                    0 => Capacity::Closed,
                    1 => Capacity::Unlimited,
                    slots => Capacity::Slots(slots),
                });
                thread::yield_now();
            }
            gate.set_capacity(Capacity::Unlimited);
        });
        // The changer must not stop before the workers, or a closed gate would hold them for ever.
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!((gate.in_flight(), gate.waiting(), gate.waiting_bytes()), (0, 0, 0));
}

#[test]
fn first_come_first_served_over_all_threads() {
    for round in 0..20 {
        let gate = Gate::new(ROOMY);
        // The order in which the waits began, and that in which they were served.
        let (came, served) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for seed in 0..THREADS {
                let (gate, came, served) = (&gate, &came, &served);
                scope.spawn(move || {
                    let rng = Rng::seeded(seed + round * THREADS);
                    for n in 0..50 {
                        let number = (seed, n);
                        let wait = {
                            let mut came = came.lock().unwrap();
                            came.push(number);
                            gate.wait(0, Instant::now()).unwrap()
                        };
                        if rng.below(3) == 0 {
                            thread::yield_now();
                        }
                        let permit = block_on(wait);
                        served.lock().unwrap().push(number);
                        drop(permit);
                    }
                });
            }
            gate.set_capacity(Capacity::Slots(1));
        });
        assert_eq!(came.into_inner().unwrap(), served.into_inner().unwrap());
    }
}

#[test]
fn newcomers_never_overtake() {
    let gate = Gate::new(ROOMY);
    gate.set_capacity(Capacity::Slots(1));
    let (overtook, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut permit = gate.try_enter().unwrap();
    let last = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    overtook.fetch_add(u64::from(gate.try_enter().is_some()), Ordering::SeqCst);
                }
            });
        }
        // The slot passes from one to the next who waits already; it never is free for those who come.
        for _ in 0..20_000 {
            let wait = gate.wait(0, Instant::now()).unwrap();
            drop(permit);
            permit = block_on(wait);
        }
        stop.store(true, Ordering::SeqCst);
        // Kept until the newcomers are gone: one may have looked at `stop` and not yet at the gate.
        permit
    });
    assert_eq!(overtook.load(Ordering::SeqCst), 0);
    drop(last);
}

#[test]
fn an_endpoint_never_has_more_than_its_limit() {
    const LIMIT: u32 = 2;
    let list: Vec<_> = (0..3).map(|i| Endpoint::new(([127, 0, 0, 1], 1000 + i).into())).collect();
    let base = list[0].id;
    let choice = Endpoints::new(list.clone(), LIMIT);
    let gate = Gate::new(ROOMY);
    gate.set_capacity(Capacity::Slots(LIMIT * 3));
    let inside: [Inside; 3] = Default::default();
    thread::scope(|scope| {
        for seed in 0..THREADS + 4 {
            let (choice, gate, inside) = (&choice, &gate, &inside);
            scope.spawn(move || {
                let rng = Rng::seeded(seed);
                for _ in 0..ROUNDS {
                    let permit =
                        gate.try_enter().unwrap_or_else(|| block_on(gate.wait(0, Instant::now()).unwrap()));
                    let mut held = Some(permit);
                    // A scan can miss a slot that moves while it looks; the permit says that there is one.
                    let seat = loop {
                        match choice.seat(&rng, None, held.take().unwrap()) {
                            Ok(seat) => break seat,
                            Err(permit) => held = Some(permit),
                        }
                    };
                    inside[(seat.endpoint().id - base) as usize].visit(&rng);
                }
            });
        }
    });
    assert!(inside.iter().all(|it| it.most.load(Ordering::SeqCst) <= LIMIT));
    assert!(list.iter().all(|it| it.in_flight() == 0));
    assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
}

#[test]
fn retiring_under_load_loses_no_permit() {
    for round in 0..200 {
        let gate = Gate::new(ROOMY);
        gate.set_capacity(Capacity::Slots(4));
        let endpoint = Endpoint::new(([127, 0, 0, 1], 1).into());
        let choice = Endpoints::new([Arc::clone(&endpoint)], 4);
        thread::scope(|scope| {
            for seed in 0..3 {
                let (gate, choice) = (&gate, &choice);
                scope.spawn(move || {
                    let rng = Rng::seeded(seed + round);
                    for _ in 0..50 {
                        let Some(permit) = gate.try_enter() else { continue };
                        if let Ok(seat) = choice.seat(&rng, None, permit)
                            && rng.below(2) == 0
                        {
                            drop(seat.leave());
                        }
                    }
                });
            }
            scope.spawn(|| endpoint.retire(&gate));
        });
        assert_eq!((gate.in_flight(), endpoint.in_flight()), (0, 0));
    }
}
