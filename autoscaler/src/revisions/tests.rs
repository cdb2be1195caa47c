use std::collections::BTreeMap;
use std::time::Duration;

use forebay_report::metrics::Stat;

use super::*;
use crate::settings::Defaults;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let map = pairs.iter().map(|&(k, v)| (format!("{}{k}", crate::settings::PREFIX), v.to_owned())).collect();
    Settings::from_annotations(&map, 0, &Defaults::default()).unwrap()
}

fn at(ms: u64) -> Moment {
    Moment::new(Duration::from_millis(1_700_000_000_000 + ms))
}

fn stat(name: &str, pod: &str, concurrency: f64) -> WireStatMessage {
    let stat = Stat {
        pod_name: pod.into(),
        average_concurrent_requests: concurrency,
        request_count: concurrency,
        ..Stat::default()
    };
    WireStatMessage { namespace: "ns".into(), name: name.into(), stat: Some(stat) }
}

/// A set with one revision `a` that proved itself and waits at zero, everything settled.
fn idle(settings: Settings) -> Revisions {
    let mut revisions = Revisions::default();
    revisions.upsert("ns", "a", settings, true, Origin::Proven, at(0));
    assert_eq!((revisions.next_due(), revisions.take_orders()), (None, vec![]));
    revisions
}

fn orders(revisions: &mut Revisions) -> Vec<(String, u32, String)> {
    let all = revisions.take_orders().into_iter();
    all.map(|o| (format!("{}/{}", o.key.0, o.key.1), o.replicas, o.reason)).collect()
}

/// The replicas ordered since the last call, for one revision.
fn replicas(revisions: &mut Revisions) -> Vec<u32> {
    revisions.take_orders().into_iter().map(|order| order.replicas).collect()
}

/// Runs what is due until `end`; returns (milliseconds, replicas) of every order.
fn run(revisions: &mut Revisions, end: u64) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    while let Some(due) = revisions.next_due().filter(|&due| due <= at(end)) {
        revisions.run_due(due);
        assert!(revisions.next_due().is_none_or(|next| next > due), "the agenda stands still");
        let now = due.since(at(0)).as_millis() as u64;
        found.extend(replicas(revisions).into_iter().map(|n| (now, n)));
    }
    found
}

#[test]
fn a_new_revision_is_started_once() {
    let mut revisions = Revisions::default();
    revisions.upsert("ns", "a", settings(&[]), true, Origin::New, at(0));
    let reason = "initial-scale 1: a new revision proves itself".to_owned();
    assert_eq!(orders(&mut revisions), [("ns/a".into(), 1, reason)]);
    // The same again, and no traffic: nothing, until the progress deadline.
    revisions.upsert("ns", "a", settings(&[]), true, Origin::New, at(10));
    assert_eq!(orders(&mut revisions), []);
    assert_eq!(revisions.next_due(), Some(at(600_000)));

    revisions.set_ready("ns", "a", 1, at(5_000));
    // Active for its window, then inactive and zero at once.
    assert_eq!(run(&mut revisions, 10_000_000), [(65_000, 0)]);
    assert_eq!(revisions.next_due(), None);
}

#[test]
fn a_revision_that_never_gets_ready_is_given_up() {
    let mut revisions = Revisions::default();
    revisions.upsert("ns", "a", settings(&[]), true, Origin::New, at(0));
    assert_eq!(replicas(&mut revisions), [1]);
    assert_eq!(run(&mut revisions, 10_000_000), [(600_000, 0)]);
    assert_eq!(revisions.statuses(at(600_000))[0].reason, "not ready within 10m0s");
}

#[test]
fn a_first_request_is_answered_at_once() {
    let mut revisions = idle(settings(&[]));
    revisions.record(&[stat("a", "gateway", 1.0)], at(100_001));
    let reason = "1.00 requests in flight over 1m0s, 70 per replica".to_owned();
    assert_eq!(orders(&mut revisions), [("ns/a".into(), 1, reason)]);
    // It is on the agenda now: the next tick is on an even second.
    assert_eq!(revisions.next_due(), Some(at(102_000)));
}

#[test]
fn growth_is_answered_at_once() {
    let mut revisions = idle(settings(&[("target", "10")]));
    revisions.record(&[stat("a", "gateway", 1.0)], at(100_000));
    assert_eq!(replicas(&mut revisions), [1]);
    // 49 more in the same second: 50 / 7 = 7.1
    revisions.record(&[stat("a", "gateway", 49.0)], at(100_020));
    assert_eq!(replicas(&mut revisions), [8]);
    let status = &revisions.statuses(at(100_020))[0];
    assert!(status.panicking);
    assert_eq!((status.stable, status.panic, status.desired), (50.0, 50.0, 8));
    assert_eq!((status.activity, status.ready), (Activity::Activating, 0));
}

#[test]
fn reporters_sum() {
    let mut revisions = idle(settings(&[("target", "10")]));
    revisions.record(&[stat("a", "one", 7.0), stat("a", "two", 7.0)], at(100_000));
    assert_eq!(replicas(&mut revisions), [2], "one frame is one decision");
    revisions.record(&[stat("a", "three", 7.0)], at(100_500));
    assert_eq!(replicas(&mut revisions), [3]);
}

#[test]
fn load_fades_by_ticks_and_leaves_nothing_behind() {
    let mut revisions = idle(settings(&[("target", "10"), ("window", "10s")]));
    for second in 0..5 {
        revisions.record(&[stat("a", "gateway", 7.0)], at(100_000 + second * 1000));
    }
    revisions.set_ready("ns", "a", 1, at(100_500));
    assert_eq!(replicas(&mut revisions), [1]);
    // The last report is of 104 s; ten seconds later nothing is left, and it was active for longer than its window.
    assert_eq!(run(&mut revisions, 1_000_000), [(114_000, 0)]);
    assert_eq!(revisions.next_due(), None, "an idle revision is not on the agenda");
    assert_eq!(revisions.statuses(at(114_000))[0].stable, 0.0);
}

#[test]
fn rps_counts_arrivals() {
    let mut revisions =
        idle(settings(&[("metric", "rps"), ("target", "10"), ("target-utilization-percentage", "100")]));
    let mut message = stat("a", "gateway", 0.5);
    message.stat.as_mut().unwrap().request_count = 35.0;
    revisions.record(&[message], at(100_000));
    assert_eq!(replicas(&mut revisions), [4]);
    assert_eq!(
        revisions.statuses(at(100_000))[0].reason,
        "35.00 requests per second over 1m0s, 10 per replica"
    );
}

#[test]
fn proxied_load_is_not_counted_twice() {
    let mut revisions = idle(settings(&[("target", "10")]));
    let mut message = stat("a", "queue-proxy", 30.0);
    message.stat.as_mut().unwrap().average_proxied_concurrent_requests = 23.0;
    revisions.record(&[message], at(100_000));
    assert_eq!(replicas(&mut revisions), [1]);
}

#[test]
fn times_of_reporters_are_believed_up_to_now() {
    let mut revisions = idle(settings(&[("target", "10")]));
    let timed = |concurrency, secs: u64| {
        let mut message = stat("a", "other", concurrency);
        message.stat.as_mut().unwrap().timestamp = 1_700_000_000 + secs as i64;
        message
    };
    revisions.record(&[stat("a", "gateway", 7.0)], at(100_000));
    // A minute too late, and from the future: one is dropped, the other is of now.
    revisions.record(&[timed(70.0, 30)], at(100_100));
    assert_eq!(revisions.statuses(at(100_100))[0].stable, 7.0);
    revisions.record(&[timed(7.0, 5000)], at(100_200));
    assert_eq!(revisions.statuses(at(100_200))[0].stable, 14.0);
    // Two seconds late: [7 0 14] / 3
    revisions.record(&[timed(7.0, 98)], at(100_300));
    assert_eq!(revisions.statuses(at(100_300))[0].stable, 7.0);
}

#[test]
fn nonsense_is_ignored() {
    let mut revisions = idle(settings(&[]));
    revisions.record(&[stat("unknown", "gateway", 5.0)], at(100_000));
    revisions.record(&[stat("a", "gateway", f64::NAN), stat("a", "gateway", f64::INFINITY)], at(100_000));
    revisions
        .record(&[WireStatMessage { namespace: "ns".into(), name: "a".into(), stat: None }], at(100_000));
    revisions.set_ready("ns", "unknown", 3, at(100_000));
    revisions.remove("ns", "unknown");
    revisions.remove("elsewhere", "a");
    assert_eq!((revisions.take_orders(), revisions.next_due()), (vec![], None));
}

#[test]
fn negative_load_is_no_load() {
    let mut revisions = idle(settings(&[]));
    revisions.record(&[stat("a", "gateway", -5.0)], at(100_000));
    assert_eq!(replicas(&mut revisions), Vec::<u32>::new());
}

#[test]
fn settings_change_under_load() {
    let mut revisions = idle(settings(&[("target", "10")]));
    revisions.record(&[stat("a", "gateway", 35.0)], at(100_000));
    assert_eq!(replicas(&mut revisions), [5]);
    revisions.set_ready("ns", "a", 5, at(100_500));
    revisions.upsert(
        "ns",
        "a",
        settings(&[("target", "10"), ("max-scale", "2")]),
        true,
        Origin::New,
        at(100_600),
    );
    assert_eq!(replicas(&mut revisions), [2]);
    // Another length keeps the load, another metric forgets it.
    revisions.upsert(
        "ns",
        "a",
        settings(&[("target", "10"), ("window", "30s")]),
        true,
        Origin::New,
        at(100_700),
    );
    // The old ring's 60 s count as observed: 35 / 30.
    assert_eq!(revisions.statuses(at(100_700))[0].stable, 1.166_667);
    revisions.upsert("ns", "a", settings(&[("metric", "rps")]), true, Origin::New, at(100_800));
    assert_eq!(revisions.statuses(at(100_800))[0].stable, 0.0);
}

#[test]
fn a_lower_bound_is_kept_without_ticks() {
    let mut revisions = Revisions::default();
    revisions.upsert("ns", "a", settings(&[("min-scale", "4")]), true, Origin::Proven, at(0));
    assert_eq!(replicas(&mut revisions), [4]);
    revisions.set_ready("ns", "a", 4, at(3_000));
    assert_eq!((revisions.next_due(), replicas(&mut revisions)), (None, vec![]));
    // Unreachable: half at most at a time does not bind it, but the window does.
    revisions.upsert("ns", "a", settings(&[("min-scale", "4")]), false, Origin::Proven, at(70_000));
    assert_eq!(replicas(&mut revisions), [0]);
    assert_eq!(revisions.statuses(at(70_000))[0].reason, "no traffic for 1m0s");
}

#[test]
fn removed_revisions_leave_the_agenda() {
    let mut revisions = idle(settings(&[]));
    revisions.record(&[stat("a", "gateway", 1.0)], at(100_000));
    assert!(revisions.next_due().is_some());
    revisions.remove("ns", "a");
    assert_eq!((revisions.next_due(), revisions.statuses(at(100_000))), (None, vec![]));
    revisions.take_orders();
    // Its successor of the same name is a new one.
    revisions.upsert("ns", "a", settings(&[]), true, Origin::New, at(100_000));
    assert_eq!(replicas(&mut revisions), [1]);
}

#[test]
fn one_wake_up_serves_all_that_tick() {
    let mut revisions = Revisions::default();
    let names: Vec<String> = (0..100).map(|n| format!("r{n}")).collect();
    for name in &names {
        revisions.upsert("ns", name.as_str(), settings(&[]), true, Origin::Proven, at(0));
    }
    for (n, name) in names.iter().enumerate() {
        revisions.record(&[stat(name, "gateway", 1.0)], at(100_000 + n as u64));
    }
    assert_eq!(revisions.take_orders().len(), 100);
    assert_eq!(revisions.next_due(), Some(at(102_000)));
    revisions.run_due(at(102_000));
    assert_eq!(revisions.next_due(), Some(at(104_000)));
}

#[test]
fn statuses_are_sorted_and_settings_shared() {
    let mut revisions = Revisions::default();
    for (namespace, name) in [("b", "x"), ("a", "z"), ("a", "y")] {
        revisions.upsert(namespace, name, settings(&[]), true, Origin::Proven, at(0));
    }
    let names: Vec<String> =
        revisions.statuses(at(0)).iter().map(|s| format!("{}/{}", s.namespace, s.name)).collect();
    assert_eq!(names, ["a/y", "a/z", "b/x"]);
    assert_eq!(revisions.shared.len(), 1);
    for target in 1..20 {
        let own = settings(&[("target", &target.to_string())]);
        revisions.upsert("c", target.to_string(), own, true, Origin::Proven, at(0));
    }
    assert_eq!(revisions.shared.len(), SHARED_SETTINGS);
}

#[test]
fn every_reason_names_its_rule() {
    for (pairs, ready, concurrency, reason) in [
        (&[("max-scale", "2"), ("target", "1")][..], 0, 9.0, "cut to max-scale 2"),
        (&[("min-scale", "3")], 0, 9.0, "kept at min-scale 3"),
        (&[("activation-scale", "3")], 0, 9.0, "activation-scale 3"),
        (
            &[("target", "1")],
            40,
            1.0,
            "1.00 requests in flight over 1m0s, 0.7 per replica, shrinking at most by max-scale-down-rate 2",
        ),
        (
            &[("target", "0.01")],
            0,
            99.0,
            "99.00 requests in flight over 6s, 0.01 per replica, growing at most by max-scale-up-rate 1000",
        ),
        (
            &[("class", crate::settings::HPA), ("metric", "cpu")],
            0,
            9.0,
            "not scaled by load: its autoscaler class needs a cluster",
        ),
    ] {
        let mut revisions = Revisions::default();
        revisions.upsert("ns", "a", settings(pairs), true, Origin::Proven, at(0));
        revisions.set_ready("ns", "a", ready, at(1));
        revisions.record(&[stat("a", "gateway", concurrency)], at(100_000));
        assert_eq!(revisions.statuses(at(100_000))[0].reason, reason);
    }
}

#[test]
fn an_idle_revision_is_small() {
    assert!(size_of::<Entry>() <= 208, "{} bytes", size_of::<Entry>());
    // Its own rings would be 66 buckets; they exist only while there is load.
    let mut revisions = idle(settings(&[]));
    revisions.record(&[stat("a", "gateway", 1.0)], at(100_000));
    assert!(revisions.entry("ns", "a").unwrap().has_load());
    run(&mut revisions, 1_000_000);
    assert!(!revisions.entry("ns", "a").unwrap().has_load());
}

/// Whatever happens in whatever order, no order repeats itself and nothing idle stays on the agenda.
mod random {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Event {
        Load(usize, u32),
        Pass(u64),
        Ready(usize, u32),
        Remove(usize),
        Upsert(usize, usize, bool),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..3_usize, 0_u32..200).prop_map(|(r, n)| Event::Load(r, n)),
            4 => (1_u64..90_000).prop_map(Event::Pass),
            3 => (0..3_usize, 0_u32..12).prop_map(|(r, n)| Event::Ready(r, n)),
            1 => (0..3_usize).prop_map(Event::Remove),
            3 => (0..3_usize, 0..5_usize, any::<bool>()).prop_map(|(r, s, b)| Event::Upsert(r, s, b)),
        ]
    }

    proptest! {
        #[test]
        fn orders_are_news_and_silence_ends_the_agenda(events in prop::collection::vec(event(), 1..60)) {
            let names = ["a", "b", "c"];
            let kinds = [
                settings(&[]),
                settings(&[("target", "2"), ("window", "6s")]),
                settings(&[("scale-down-delay", "40s"), ("target", "3")]),
                settings(&[("min-scale", "2"), ("max-scale", "5"), ("metric", "rps"), ("target", "2")]),
                settings(&[("initial-scale", "0"), ("metric-aggregation-algorithm", "weighted-exponential")]),
            ];
            let mut revisions = Revisions::default();
            let mut told: BTreeMap<String, u32> = BTreeMap::new();
            let mut clock = 0;
            for event in events {
                match event {
                    Event::Load(r, n) => revisions.record(&[stat(names[r], "gateway", f64::from(n) / 4.0)], at(clock)),
                    Event::Pass(ms) => {
                        clock += ms;
                        revisions.run_due(at(clock));
                    }
                    Event::Ready(r, n) => revisions.set_ready("ns", names[r], n, at(clock)),
                    Event::Remove(r) => {
                        revisions.remove("ns", names[r]);
                        told.remove(names[r]);
                    }
                    Event::Upsert(r, s, reachable) => {
                        revisions.upsert("ns", names[r], kinds[s].clone(), reachable, Origin::New, at(clock));
                    }
                }
                prop_assert!(revisions.next_due().is_none_or(|due| due > at(clock)));
                for order in revisions.take_orders() {
                    let before = told.insert(order.key.1.to_string(), order.replicas).unwrap_or(0);
                    prop_assert_ne!(before, order.replicas);
                    prop_assert!(!order.reason.is_empty());
                }
                for status in revisions.statuses(at(clock)) {
                    prop_assert_eq!(told.get(&*status.name).copied().unwrap_or(0), status.wanted);
                }
            }
            // Everything that is wanted becomes ready, and nobody asks for anything any more.
            for _ in 0..1000 {
                for status in revisions.statuses(at(clock)) {
                    revisions.set_ready("ns", &status.name, status.wanted, at(clock));
                }
                let Some(due) = revisions.next_due() else { continue };
                clock = due.since(at(0)).as_millis() as u64 + 1;
                revisions.run_due(at(clock));
            }
            prop_assert_eq!(revisions.next_due(), None);
            for status in revisions.statuses(at(clock)) {
                let floor = if status.wanted == 2 { 2 } else { 0 };
                prop_assert_eq!(status.wanted, floor, "{:?}", status);
            }
        }
    }
}
