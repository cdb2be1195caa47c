//! The decision against tables computed by hand; the arithmetic stands next to each row. Where a row says nothing else:
//! target 10, total 10, burst 0, up rate 1000, down rate 2, threshold 2, stable window 60 s, reachable.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_autoscaler::decision::{Decider, Decision, Observed};
use forebay_autoscaler::{Defaults, Moment, Settings};

const START: Moment = Moment::from_secs(1_700_000_000);

fn settings() -> Settings {
    let defaults = Defaults { target_burst_capacity: 0.0, ..Defaults::default() };
    let settings = Settings::from_annotations(&BTreeMap::new(), 0, &defaults).unwrap();
    Settings { target: 10.0, total: 10.0, ..settings }
}

fn with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = settings();
    change(&mut settings);
    settings
}

fn seen(ready: u32, stable: f64, panic: f64) -> Observed {
    Observed { ready, stable, panic, reachable: true }
}

fn first(settings: &Settings, observed: Observed) -> Decision {
    Decider::new(0, START).decide(settings, observed, START)
}

/// Rows of one fresh decision each: (ready, stable, panic) -> desired, whether it panics.
#[track_caller]
fn check(settings: &Settings, rows: &[(u32, f64, f64, u32, bool)]) {
    for &(ready, stable, panic, desired, panicking) in rows {
        let got = first(settings, seen(ready, stable, panic));
        let row = format!("ready {ready}, stable {stable}, panic {panic}");
        assert_eq!((got.desired, got.panicking), (desired, panicking), "{row}");
    }
}

#[test]
fn stable() {
    check(
        &settings(),
        &[
            (0, 0.0, 0.0, 0, false),           // ceil(0/10) = 0; floor(max(1,0)/2) = 0
            (1, 0.0, 0.0, 0, false),           // floor(1/2) = 0
            (1, 1.0, 1.0, 1, false),           // ceil(0.1) = 1
            (1, 10.0, 10.0, 1, false),         // ceil(1.0) = 1; panic 1/1 < 2
            (1, 10.01, 10.0, 2, false),        // ceil(1.001) = 2
            (2, 19.9, 19.9, 2, false),         // ceil(1.99) = 2
            (2, 20.000_001, 1.0, 3, false),    // ceil(2.0000001) = 3; panic ceil(0.1) = 1, 1/2 < 2
            (5, 50.0, 50.0, 5, false),         // 50/10 = 5; panic 5/5 = 1 < 2
            (5, 73.0, 0.0, 8, false),          // ceil(7.3) = 8
            (100, 1000.0, 1990.0, 100, false), // 1000/10 = 100; panic 199/100 = 1.99 < 2
        ],
    );
}

#[test]
fn small_targets() {
    // containerConcurrency 1: 1 * 0.7
    check(
        &with(|s| s.target = 0.7),
        &[
            (1, 0.5, 0.5, 1, false), // ceil(0.714) = 1
            (1, 0.7, 0.7, 1, false), // 0.7/0.7 = 1
            (4, 5.0, 5.0, 8, true),  // ceil(7.14) = 8; panic 8/4 = 2 >= 2
        ],
    );
    check(
        &with(|s| s.target = 0.01),
        &[
            (1, 0.05, 0.0, 5, false),    // 0.05/0.01 = 5
            (1, 30.0, 0.0, 1000, false), // 3000, at most 1000 * 1
        ],
    );
}

#[test]
fn shrinking_is_limited_by_the_down_rate() {
    check(
        &settings(),
        &[
            (2, 1.0, 1.0, 1, false),        // max(1, floor(2/2) = 1)
            (2, 0.0, 0.0, 1, false),        // max(0, 1)
            (3, 0.0, 0.0, 1, false),        // floor(3/2) = 1
            (8, 5.0, 5.0, 4, false),        // max(1, floor(8/2) = 4)
            (9, 5.0, 5.0, 4, false),        // floor(9/2) = 4
            (100, 610.0, 610.0, 61, false), // max(61, 50) = 61
            (100, 10.0, 10.0, 50, false),   // max(1, 50)
        ],
    );
    check(
        &with(|s| s.max_scale_down_rate = 10.0),
        &[
            (100, 1.0, 1.0, 10, false), // max(1, floor(100/10) = 10)
            (10, 1.0, 1.0, 1, false),   // max(1, 1)
            (9, 0.0, 0.0, 0, false),    // floor(0.9) = 0
        ],
    );
    check(
        &with(|s| s.max_scale_down_rate = 1.1),
        &[
            (100, 1.0, 1.0, 90, false), // floor(100/1.1 = 90.9) = 90
            (1, 0.0, 0.0, 0, false),    // floor(0.909) = 0: even a slow rate reaches zero
        ],
    );
}

#[test]
fn growing_is_limited_by_the_up_rate() {
    check(
        &with(|s| s.max_scale_up_rate = 10.0),
        &[
            (1, 1000.0, 1001.0, 10, true), // min(100, 10 * 1); panic 101/1 >= 2, min(101, 10)
            (10, 1000.0, 1001.0, 100, true), // min(100, 100); panic min(101, 100) = 100
            (0, 1000.0, 888.0, 10, true),  // none ready counts as one: 10 * 1
        ],
    );
    check(
        &with(|s| {
            s.target = 1.0;
            s.max_scale_up_rate = 1.1;
        }),
        &[
            (2, 3.0, 3.1, 3, true), // ceil(1.1 * 2 = 2.2) = 3: grows by one at least; panic 4/2 >= 2, min(4, 3)
            (10, 99.0, 10.0, 11, false), // ceil(11.0) = 11; panic 10/10 < 2
            (20, 99.0, 10.0, 22, false), // ceil(22.0) = 22
        ],
    );
    check(&settings(), &[(1, 20_000.0, 0.0, 1000, false)]); // 2000, at most 1000 * 1
}

#[test]
fn unreachable_revisions_shrink_at_once() {
    let gone = |ready, stable, panic| Observed { reachable: false, ..seen(ready, stable, panic) };
    for (observed, desired) in [
        (gone(100, 0.0, 0.0), 0),   // no floor: ceil(0) = 0
        (gone(100, 1.0, 1.0), 1),   // ceil(0.1) = 1
        (gone(8, 35.0, 35.0), 4),   // ceil(3.5) = 4
        (gone(1, 100.0, 10.0), 10), // growing is not forbidden: 100/10
    ] {
        assert_eq!(first(&settings(), observed).desired, desired, "{observed:?}");
    }
}

#[test]
fn activation_scale() {
    check(
        &with(|s| s.activation_scale = 3),
        &[
            (1, 0.0, 0.0, 0, false),   // no load, no activation
            (1, 1.0, 1.0, 3, false),   // ceil(0.1) = 1 -> 3; panic 1/1 < 2: the raw wish counts
            (1, 0.0, 5.0, 0, false),   // stable 0; panic 1 -> 3 has no say without panic
            (1, 35.0, 10.0, 4, false), // 4 is more than 3
            (1, 15.0, 20.0, 3, true),  // stable 2 -> 3; panic 2/1 >= 2, 2 -> 3
            (2, 60.0, 60.0, 6, true),  // panic 6/2 >= 2
        ],
    );
    check(
        &with(|s| {
            s.activation_scale = 5;
            s.max_scale_up_rate = 2.0;
        }),
        &[(1, 90.0, 10.0, 5, false)], // min(9, 2) = 2 -> 5: activation is not bound by the rate
    );
    check(&with(|s| s.activation_scale = 1), &[(1, 1.0, 1.0, 1, false)]); // 1 means nothing
}

#[test]
fn panic_begins_at_its_threshold() {
    check(
        &settings(),
        &[
            (1, 10.0, 10.0, 1, false),     // 1/1 = 1 < 2
            (1, 10.0, 11.0, 2, true),      // ceil(1.1) = 2, 2/1 >= 2; max(1, 2)
            (1, 50.0, 100.0, 10, true),    // max(5, 10)
            (5, 500.0, 300.0, 50, true),   // 30/5 = 6; max(50, 30): stable may be larger
            (10, 110.0, 250.0, 25, true),  // 25/10 = 2.5; max(11, 25)
            (10, 110.0, 190.0, 11, false), // 19/10 = 1.9 < 2: stable alone
            (10, 0.0, 191.0, 20, true),    // ceil(19.1) = 20, 20/10 = 2; max(5, 20)
        ],
    );
    check(
        &with(|s| s.panic_threshold = 1.1),
        &[
            (10, 100.0, 109.0, 11, true),  // ceil(10.9) = 11, 11/10 = 1.1 >= 1.1
            (10, 100.0, 100.0, 10, false), // 10/10 < 1.1
        ],
    );
    check(&with(|s| s.panic_threshold = 10.0), &[(1, 10.0, 90.0, 1, false)]); // 9/1 < 10
}

#[test]
fn excess_burst_capacity() {
    let rows = [
        // (burst, total, ready, panic) -> floor(ready * total - burst - panic)
        (0.0, 10.0, 9, 0.0, 0),        // no burst: 0 always
        (-1.0, 10.0, 9, 0.0, -1),      // unlimited: -1 always
        (211.0, 100.0, 1, 0.0, -111),  // 100 - 211
        (211.0, 100.0, 2, 0.0, -11),   // 200 - 211
        (211.0, 100.0, 3, 0.0, 89),    // 300 - 211: three replicas at least
        (211.0, 100.0, 3, 90.0, -1),   // 300 - 211 - 90
        (211.0, 100.0, 0, 10.0, -221), // none ready counts as none here: 0 - 211 - 10
        (211.0, 1.0, 211, 0.5, -1),    // floor(211 - 211 - 0.5) = -1
        (75.0, 13.333, 1, 0.0, -62),   // floor(-61.667) = -62: floored, not cut
        (7.0, 200.0, 5, 993.5, -1),    // rps counts the same: floor(1000 - 7 - 993.5)
    ];
    for (burst, total, ready, panic, expected) in rows {
        let settings = with(|s| {
            s.target_burst_capacity = burst;
            s.total = total;
        });
        let got = first(&settings, seen(ready, panic, panic)).excess_burst_capacity;
        assert_eq!(got, expected, "burst {burst}, total {total}, ready {ready}, panic {panic}");
    }
}

/// Steps of one decider: (second, ready, stable, panic) -> desired, whether it panics.
#[track_caller]
fn follow(settings: &Settings, start_ready: u32, steps: &[(u64, u32, f64, f64, u32, bool)]) {
    let mut decider = Decider::new(start_ready, START);
    for &(second, ready, stable, panic, desired, panicking) in steps {
        let got = decider.decide(settings, seen(ready, stable, panic), START + Duration::from_secs(second));
        assert_eq!((got.desired, got.panicking), (desired, panicking), "second {second}");
    }
}

#[test]
fn panic_takes_nothing_away_and_ends_a_stable_window_after_the_surge() {
    follow(
        &with(|s| s.target = 1.0),
        0,
        &[
            (0, 10, 11.0, 25.0, 25, true),   // 25/10 >= 2: panic; max(11, 25)
            (2, 25, 11.0, 20.0, 25, true),   // 20/25 < 2; max(floor(25/2), 20) = 20, the peak stays
            (30, 40, 30.0, 41.0, 41, true),  // 41/40 < 2, not extended; 41 > 25
            (58, 41, 0.0, 0.0, 41, true),    // peak
            (60, 41, 50.0, 56.0, 56, true),  // 0 + 60 is not before 60: still panic
            (61, 55, 50.0, 56.0, 50, false), // 60 < 61: over; stable 50 alone
            (63, 50, 10.0, 10.0, 25, false), // floor(50/2) = 25
        ],
    );
}

#[test]
fn a_surge_within_panic_extends_it() {
    follow(
        &with(|s| s.target = 1.0),
        0,
        &[
            (0, 10, 11.0, 25.0, 25, true),
            (30, 40, 30.0, 80.0, 80, true), // 80/40 >= 2: counted from here
            (61, 80, 0.0, 0.0, 80, true),   // 30 + 60 = 90 is to come
            (90, 80, 0.0, 0.0, 80, true),
            (91, 80, 0.0, 0.0, 40, false), // floor(80/2)
            (93, 40, 0.0, 0.0, 20, false),
            (95, 1, 0.0, 0.0, 0, false), // floor(1/2) = 0
        ],
    );
}

#[test]
fn an_exponential_surge_is_followed() {
    follow(
        &with(|s| s.target = 1.0),
        0,
        &[
            (0, 1, 6.0, 6.0, 6, true),             // 6/1
            (2, 6, 36.0, 36.0, 36, true),          // 36/6
            (4, 36, 216.0, 216.0, 216, true),      // 216/36
            (6, 216, 1296.0, 1296.0, 1296, true),  // 1296/216
            (8, 1296, 1296.0, 1296.0, 1296, true), // 1296/1296 < 2: stays until 66
            (67, 1296, 1296.0, 1296.0, 1296, false),
        ],
    );
}

#[test]
fn an_autoscaler_that_finds_replicas_keeps_them_for_a_stable_window() {
    follow(
        &settings(),
        7,
        &[
            (0, 7, 0.0, 0.0, 7, true), // begins in panic with what runs
            (59, 7, 20.0, 20.0, 7, true),
            (61, 7, 20.0, 20.0, 3, false), // max(2, floor(7/2) = 3)
        ],
    );
    // One replica or none: nothing to protect.
    follow(&settings(), 1, &[(0, 1, 0.0, 0.0, 0, false)]);
}

#[test]
fn shorter_stable_windows_end_panic_sooner() {
    follow(
        &with(|s| s.stable_window = Duration::from_secs(6)),
        0,
        &[
            (0, 1, 10.0, 40.0, 4, true),
            (6, 4, 10.0, 10.0, 4, true),
            (7, 4, 10.0, 10.0, 2, false), // max(1, floor(4/2) = 2)
            (9, 2, 10.0, 10.0, 1, false),
        ],
    );
}

#[test]
fn a_scale_down_delay_holds_the_largest_wish() {
    let settings = with(|s| {
        s.scale_down_delay = Duration::from_secs(300);
        s.max_scale_down_rate = 10.0;
        s.panic_threshold = 100.0;
    });
    follow(
        &settings,
        0,
        &[
            (2, 1, 40.0, 40.0, 4, false), // ceil(40/10)
            (300, 4, 0.0, 0.0, 4, false), // 298 s later: held
            (302, 4, 0.0, 0.0, 0, false), // 300 s later: gone
            (540, 1, 40.0, 40.0, 4, false),
            (600, 4, 30.0, 30.0, 4, false), // 3 < 4
            (660, 4, 0.0, 0.0, 4, false),
            (840, 4, 0.0, 0.0, 3, false),   // 4 is 300 s old; 3 is 240 s old
            (900, 3, 0.0, 0.0, 0, false),   // 3 is 300 s old
            (902, 1, 25.0, 25.0, 3, false), // growing is never delayed
        ],
    );
}

#[test]
fn a_delay_holds_what_panic_wanted() {
    let settings = with(|s| {
        s.scale_down_delay = Duration::from_secs(120);
        s.target = 1.0;
    });
    follow(
        &settings,
        0,
        &[
            (0, 1, 3.0, 8.0, 8, true),
            (60, 8, 3.0, 3.0, 8, true),   // panic holds 8
            (62, 8, 3.0, 3.0, 8, false),  // max(3, floor(8/2) = 4); 8 was wanted 2 s ago
            (178, 8, 3.0, 3.0, 8, false), // 118 s ago
            (180, 8, 3.0, 3.0, 4, false), // 120 s ago: 4
            (182, 4, 3.0, 3.0, 4, false), // 3 is wanted, 4 was
        ],
    );
}

#[test]
fn a_delay_binds_reachable_revisions_only() {
    let settings = with(|s| s.scale_down_delay = Duration::from_secs(300));
    let mut decider = Decider::new(0, START);
    let at = |second| START + Duration::from_secs(second);
    assert_eq!(decider.decide(&settings, seen(1, 15.0, 15.0), at(0)).desired, 2);
    assert_eq!(decider.decide(&settings, seen(2, 0.0, 0.0), at(60)).desired, 2);
    let gone = Observed { reachable: false, ..seen(2, 0.0, 0.0) };
    assert_eq!(decider.decide(&settings, gone, at(62)).desired, 0);
    // Back again: 2 was wanted 64 s ago.
    assert_eq!(decider.decide(&settings, seen(1, 0.0, 0.0), at(64)).desired, 2);
}

#[test]
fn without_a_delay_two_decisions_in_one_tick_may_shrink() {
    let mut decider = Decider::new(0, START);
    let settings = with(|s| s.panic_threshold = 100.0);
    assert_eq!(decider.decide(&settings, seen(4, 40.0, 40.0), START).desired, 4);
    let half = START + Duration::from_millis(500);
    assert_eq!(decider.decide(&settings, seen(4, 20.0, 20.0), half).desired, 2);
}

/// Annotations to a first decision: (annotations, containerConcurrency, ready, load in both windows) -> desired.
#[test]
fn targets_from_annotations() {
    type Row = (&'static [(&'static str, &'static str)], u32, u32, f64, u32);
    let rows: &[Row] = &[
        (&[], 0, 1, 70.0, 1),                                          // 70 / (100 * 0.7)
        (&[], 0, 1, 71.0, 2),                                          // ceil(71 / 70)
        (&[], 10, 1, 71.0, 11),                                        // ceil(71 / (10 * 0.7) = 10.14)
        (&[], 1, 3, 2.0, 3),                                           // ceil(2 / 0.7 = 2.86)
        (&[("target", "10")], 0, 1, 7.5, 2),                           // ceil(7.5 / (10 * 0.7))
        (&[("target", "50")], 10, 1, 14.0, 2),                         // 14 / (min(50, 10) * 0.7)
        (&[("target", "1000")], 0, 5, 3500.0, 5),                      // 3500 / 700
        (&[("target-utilization-percentage", "100")], 0, 1, 100.0, 1), // 100 / 100
        (&[("target-utilization-percentage", "50")], 4, 1, 5.0, 3),    // ceil(5 / (4 * 0.5))
        (&[("metric", "rps")], 0, 1, 141.0, 2),                        // ceil(141 / (200 * 0.7))
        (&[("metric", "rps"), ("target", "10")], 1, 1, 70.0, 10), // 70 / (10 * 0.7): the limit is of requests in flight
        (&[("metric", "rps"), ("target", "10"), ("target-utilization-percentage", "100")], 1, 1, 70.0, 7),
        (&[("activation-scale", "3"), ("target", "10")], 0, 1, 1.0, 3),
        (&[("panic-threshold-percentage", "1000"), ("target", "10")], 0, 1, 60.0, 9), // ceil(60/7); 9/1 < 10
    ];
    for &(annotations, limit, ready, load, desired) in rows {
        let map = annotations
            .iter()
            .map(|&(k, v)| (format!("autoscaling.knative.dev/{k}"), v.to_owned()))
            .collect();
        let settings = Settings::from_annotations(&map, limit, &Defaults::default()).unwrap();
        assert_eq!(
            first(&settings, seen(ready, load, load)).desired,
            desired,
            "{annotations:?}, limit {limit}"
        );
    }
}
