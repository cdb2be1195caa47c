use std::collections::HashMap;
use std::net::SocketAddr;

use super::*;
use crate::gate::Capacity;
use crate::room::Bounds;

fn endpoints(n: u16) -> Vec<Arc<Endpoint>> {
    (0..n).map(|i| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], 1000 + i)))).collect()
}

fn gate(slots: u32) -> Arc<Gate> {
    let gate = Gate::new(Bounds { max_waiting: 10, max_bytes: 0 });
    gate.set_capacity(Capacity::Slots(slots));
    gate
}

fn rng() -> Rng {
    Rng::seeded(1)
}

/// How often each port is chosen when every lease is given back at once.
fn shares(choice: &Endpoints, draws: u32) -> HashMap<u16, u32> {
    let rng = rng();
    let mut seen = HashMap::new();
    for _ in 0..draws {
        *seen.entry(choice.pick(&rng, None).unwrap().endpoint().address.port()).or_insert(0) += 1;
    }
    seen
}

#[test]
fn none_to_choose_from() {
    assert!(Endpoints::default().pick(&rng(), None).is_none());
    assert!(Endpoints::new(endpoints(1), 1).pick(&rng(), None).is_some());
}

#[test]
fn ids_differ() {
    let list = endpoints(3);
    assert!(list[0].id != list[1].id && list[1].id != list[2].id);
}

#[test]
fn idle_endpoints_get_equal_shares() {
    for n in [2, 3, 7] {
        let seen = shares(&Endpoints::new(endpoints(n), 0), 7000);
        let fair = 7000 / u32::from(n);
        assert!(
            seen.len() == usize::from(n) && seen.values().all(|&k| k.abs_diff(fair) < fair / 5),
            "{seen:?}"
        );
    }
}

#[test]
fn the_less_loaded_of_two_is_chosen() {
    let list = endpoints(2);
    let busy = Endpoints::new([Arc::clone(&list[0])], 0).pick(&rng(), None).unwrap();
    let both = Endpoints::new(list.clone(), 0);
    assert!(shares(&both, 100).keys().all(|port| *port == 1001));
    drop(busy);
    assert_eq!(shares(&both, 100).len(), 2);
}

#[test]
fn held_requests_spread_evenly() {
    let (list, rng) = (endpoints(10), rng());
    let choice = Endpoints::new(list.clone(), 0);
    let leases: Vec<_> = (0..1000).map(|_| choice.pick_ref(&rng, None).unwrap()).collect();
    assert!(list.iter().all(|it| (90..=110).contains(&it.in_flight())), "two choices keep the spread narrow");
    drop(leases);
    assert!(list.iter().all(|it| it.in_flight() == 0));
}

#[test]
fn weights_share_idle_and_loaded() {
    let list = endpoints(3);
    let weighted = Endpoints::weighted(list.iter().cloned().zip([1, 2, 5]), 0);
    let seen = shares(&weighted, 8000);
    for (port, fair) in [(1000, 1000u32), (1001, 2000), (1002, 5000)] {
        assert!(seen[&port].abs_diff(fair) < fair / 5, "{seen:?}");
    }
    let rng = rng();
    let leases: Vec<_> = (0..800).map(|_| weighted.pick(&rng, None).unwrap()).collect();
    for (it, fair) in list.iter().zip([100u32, 200, 500]) {
        assert!(it.in_flight().abs_diff(fair) <= fair / 5, "{} of {fair}", it.in_flight());
    }
    drop(leases);
}

#[test]
fn weights_of_any_size() {
    let huge = Endpoints::weighted(endpoints(3).into_iter().zip([u32::MAX, u32::MAX, 0]), 0);
    let seen = shares(&huge, 1000);
    assert!(seen[&1000] > 400 && seen[&1001] > 400, "{seen:?}");
    let equal = Endpoints::weighted(endpoints(2).into_iter().zip([9, 9]), 0);
    assert!(equal.sums.is_none(), "equal weights are none");
}

#[test]
fn a_limit_is_kept_and_every_slot_is_found() {
    let rng = rng();
    for n in [1, 2, 5] {
        let list = endpoints(n);
        let choice = Endpoints::new(list.clone(), 3);
        let leases: Vec<_> = (0..n * 3).map(|_| choice.pick(&rng, None).expect("a slot is free")).collect();
        assert!(list.iter().all(|it| it.in_flight() == 3));
        assert!(choice.pick(&rng, None).is_none());
        drop(leases);
        assert!(choice.pick(&rng, None).is_some());
    }
}

#[test]
fn the_avoided_is_the_last_resort() {
    let (list, rng) = (endpoints(2), rng());
    let avoid = Some(list[0].id);
    let choice = Endpoints::new(list.clone(), 0);
    for _ in 0..50 {
        assert_eq!(choice.pick(&rng, avoid).unwrap().endpoint().id, list[1].id);
    }
    list[1].drain(true);
    assert_eq!(choice.pick(&rng, avoid).unwrap().endpoint().id, list[0].id);
    let alone = Endpoints::new([Arc::clone(&list[0])], 0);
    assert!(alone.pick(&rng, avoid).is_some());
}

#[test]
fn a_draining_endpoint_gets_nothing_new() {
    let (list, rng) = (endpoints(3), rng());
    for limit in [0, 5] {
        let choice = Endpoints::new(list.clone(), limit);
        list[0].drain(true);
        list[2].drain(true);
        for _ in 0..50 {
            assert_eq!(choice.pick(&rng, None).unwrap().endpoint().id, list[1].id);
        }
        list[1].drain(true);
        assert!(choice.pick(&rng, None).is_none());
        list.iter().for_each(|it| it.drain(false));
        assert!(choice.pick(&rng, None).is_some());
    }
}

#[test]
fn a_seat_gives_back_the_endpoint_before_the_permit() {
    let (gate, rng) = (gate(1), rng());
    let choice = Endpoints::new(endpoints(1), 1);
    let seat = choice.seat(&rng, None, gate.try_enter().unwrap()).ok().unwrap();
    assert_eq!((gate.in_flight(), seat.endpoint().in_flight()), (1, 1));
    assert!(gate.try_enter().is_none());
    drop(seat);
    assert_eq!((gate.in_flight(), choice.list()[0].in_flight()), (0, 0));
}

#[test]
fn a_permit_without_a_seat_comes_back() {
    let gate = gate(1);
    let permit = Endpoints::default().seat(&rng(), None, gate.try_enter().unwrap()).err().unwrap();
    assert_eq!(gate.in_flight(), 1);
    drop(permit);
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn another_try_keeps_the_permit() {
    let (gate, rng) = (gate(2), rng());
    let choice = Endpoints::new(endpoints(2), 1);
    let seat = choice.seat(&rng, None, gate.try_enter().unwrap()).ok().unwrap();
    let tried = seat.endpoint().id;
    let permit = seat.leave().unwrap();
    assert_eq!(gate.in_flight(), 1);
    let seat = choice.seat(&rng, Some(tried), permit).ok().unwrap();
    assert_ne!(seat.endpoint().id, tried);
}

#[test]
fn what_runs_on_a_retired_endpoint_holds_no_slot_of_those_that_stay() {
    let (gate, rng) = (gate(2), rng());
    let list = endpoints(2);
    let seats: Vec<_> = {
        let choice = Endpoints::new(list.clone(), 1);
        (0..2).map(|_| choice.seat(&rng, None, gate.try_enter().unwrap()).ok().unwrap()).collect()
    };
    list[0].retire(&gate);
    list[0].retire(&gate);
    gate.set_capacity(Capacity::Slots(1));
    assert_eq!(gate.in_flight(), 1, "only the one that stays counts");
    let stays = Endpoints::new([Arc::clone(&list[1])], 1);
    let (gone, kept): (Vec<_>, Vec<_>) = seats.into_iter().partition(|seat| seat.endpoint().id == list[0].id);
    drop(kept);
    assert_eq!(gate.in_flight(), 0);
    let next = stays.seat(&rng, None, gate.try_enter().unwrap()).ok().unwrap();
    drop(gone);
    assert_eq!((gate.in_flight(), list[0].in_flight(), list[1].in_flight()), (1, 0, 1));
    assert!(gate.try_enter().is_none());
    drop(next);
    list[0].drain(false);
    assert!(list[0].draining(), "a retired endpoint does not come back");
}

#[test]
fn leaving_a_retired_endpoint_leaves_no_permit() {
    let (gate, rng) = (gate(1), rng());
    let choice = Endpoints::new(endpoints(1), 1);
    let seat = choice.seat(&rng, None, gate.try_enter().unwrap()).ok().unwrap();
    choice.list()[0].retire(&gate);
    assert!(seat.leave().is_none());
    assert_eq!(gate.in_flight(), 0);
}

#[test]
fn a_bare_lease_does_not_touch_the_gate_of_a_retired_endpoint() {
    let gate = gate(1);
    let choice = Endpoints::new(endpoints(1), 0);
    let lease = choice.pick(&rng(), None).unwrap();
    choice.list()[0].retire(&gate);
    drop(lease);
    assert_eq!((gate.in_flight(), choice.list()[0].in_flight()), (0, 0));
}
