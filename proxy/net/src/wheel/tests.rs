use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Wake;

use proptest::prelude::*;

use super::*;

/// Writes its number down when woken.
struct Bell(u32, Arc<Mutex<Vec<u32>>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    Remove(usize),
    Postpone(usize, u64),
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Short and long ways, so that every level is met.
    let ticks = prop_oneof![0u64..4, 0u64..200, 0u64..10_000, 0u64..3_000_000, Just(u64::MAX)];
    let step = prop_oneof![
        4 => ticks.clone().prop_map(Step::Insert),
        1 => any::<usize>().prop_map(Step::Remove),
        2 => (any::<usize>(), ticks).prop_map(|(i, t)| Step::Postpone(i, t)),
        3 => prop_oneof![0u64..3, 0u64..100, 0u64..5_000, 0u64..1_000_000].prop_map(Step::Advance),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// The wheel against a list of deadlines that is searched from end to end.
    #[test]
    fn does_what_a_plain_list_does(start in prop_oneof![Just(0u64), 0u64..5_000_000], steps in steps()) {
        let rung = Arc::new(Mutex::new(Vec::new()));
        let mut wheel = Wheel::new(start);
        let mut now = start;
        // Key in the wheel, deadline, whether it fired, by our own number.
        let mut list: BTreeMap<u32, (u32, u64, bool)> = BTreeMap::new();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Insert(ticks) => {
                    let deadline = now.saturating_add(ticks);
                    let waker = Waker::from(Arc::new(Bell(number, rung.clone())));
                    let key = wheel.insert(deadline, waker);
                    prop_assert!(list.values().all(|&(other, ..)| other != key), "key {key} is in use");
                    list.insert(number, (key, deadline.max(now + 1), false));
                    number += 1;
                }
                Step::Remove(which) => {
                    let Some(&number) = list.keys().nth(which % list.len().max(1)) else { continue };
                    let (key, ..) = list.remove(&number).unwrap();
                    drop(wheel.remove(key));
                }
                Step::Postpone(which, ticks) => {
                    let Some(&number) = list.keys().nth(which % list.len().max(1)) else { continue };
                    let deadline = now.saturating_add(ticks);
                    let (key, old, fired) = list.get_mut(&number).unwrap();
                    wheel.postpone(*key, deadline);
                    if *fired {
                        drop(wheel.set_waker(*key, &Waker::from(Arc::new(Bell(number, rung.clone())))));
                    }
                    (*old, *fired) = (deadline.max(now + 1), false);
                }
                Step::Advance(ticks) => {
                    now += ticks;
                    let mut fired = Vec::new();
                    wheel.advance(now, &mut fired);
                    fired.into_iter().for_each(Waker::wake);
                    let mut expected = Vec::new();
                    for (&number, (_, deadline, fired)) in &mut list {
                        if !*fired && *deadline <= now {
                            *fired = true;
                            expected.push(number);
                        }
                    }
                    let mut got = std::mem::take(&mut *rung.lock().unwrap());
                    got.sort_unstable();
                    prop_assert_eq!(got, expected, "at {}", now);
                }
            }
            for (key, _, fired) in list.values() {
                prop_assert_eq!(wheel.fired(*key), *fired);
            }
            prop_assert_eq!(wheel.len(), list.len());
            // The driver sleeps until `next`: never past a deadline, and never for nothing that has passed.
            let earliest = list.values().filter(|(.., fired)| !fired).map(|&(_, deadline, _)| deadline).min();
            match (wheel.next(), earliest) {
                (None, None) => {}
                (Some(next), Some(earliest)) => prop_assert!(next > now && next <= earliest, "{next} of {now}..{earliest}"),
                (next, earliest) => prop_assert!(false, "{next:?} {earliest:?}"),
            }
        }
    }
}

#[test]
fn deadlines_fire_in_their_tick_across_every_level() {
    let rung = Arc::new(Mutex::new(Vec::new()));
    let mut wheel = Wheel::new(0);
    let deadlines = [1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 16_777_216, 1_073_741_824];
    for (number, &deadline) in deadlines.iter().enumerate() {
        wheel.insert(deadline, Arc::new(Bell(number as u32, rung.clone())).into());
    }
    for (number, &deadline) in deadlines.iter().enumerate() {
        let mut fired = Vec::new();
        wheel.advance(deadline - 1, &mut fired);
        assert!(fired.is_empty(), "{deadline} too early");
        wheel.advance(deadline, &mut fired);
        assert_eq!(fired.len(), 1);
        fired.into_iter().for_each(Waker::wake);
        assert_eq!(rung.lock().unwrap().last(), Some(&(number as u32)));
    }
}

#[test]
fn places_are_used_again() {
    let mut wheel = Wheel::new(7);
    let waker = Waker::noop();
    let keys: Vec<u32> = (0..100).map(|n| wheel.insert(7 + n, waker.clone())).collect();
    keys.iter().for_each(|&key| drop(wheel.remove(key)));
    assert_eq!(wheel.len(), 0);
    assert_eq!(wheel.next(), None);
    for n in 0..100 {
        wheel.insert(1000 + n, waker.clone());
    }
    assert_eq!(wheel.entries.len(), 100);
    assert!(size_of::<Entry>() <= 40);
}
