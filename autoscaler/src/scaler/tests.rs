//! Knative's table of activity, then revisions' lives, each told by the second.

use std::collections::BTreeMap;

use super::*;
use crate::settings::Defaults;

fn at(secs: u64) -> Moment {
    Moment::from_secs(1_000_000 + secs)
}

fn settings() -> Settings {
    Settings::from_annotations(&BTreeMap::new(), 0, &Defaults::default()).unwrap()
}

fn seen(desired: u32, ready: u32) -> Seen {
    Seen { desired, ready, reachable: true }
}

fn gone(desired: u32, ready: u32) -> Seen {
    Seen { desired, ready, reachable: false }
}

/// A revision that proved itself at second 0 and is active since.
fn active(settings: &Settings) -> Scaler {
    let mut scaler = Scaler::new(settings, at(0));
    let n = settings.min_scale.max(settings.initial_scale).max(1);
    scaler.reconcile(settings, seen(n, n), at(0));
    assert_eq!(scaler.activity(), Activity::Active);
    scaler
}

/// Steps of one scaler: (second, seen) -> replicas, activity, why.
#[track_caller]
fn live(settings: &Settings, mut scaler: Scaler, steps: &[(u64, Seen, u32, Activity, Why)]) -> Scaler {
    for &(second, seen, replicas, activity, why) in steps {
        let got = scaler.reconcile(settings, seen, at(second));
        assert_eq!((got.replicas, scaler.activity(), got.why), (replicas, activity, why), "second {second}");
        // Whoever is asked to come back is asked for a time to come.
        assert!(got.again.is_none_or(|again| again > at(second)), "second {second}: {:?}", got.again);
    }
    scaler
}

#[test]
fn activity_follows_what_is_wanted_and_what_is_ready() {
    use Activity::{Activating, Active, Inactive};
    // Settings whose min-scale makes the threshold, and no zero, so that `desired` is what is wanted.
    let two = Settings { min_scale: 2, scale_to_zero: false, ..settings() };
    for (before, desired, ready, after) in [
        (Activating, 3, 1, Activating),
        (Activating, 3, 2, Active),
        (Active, 3, 1, Activating),
        (Active, 3, 5, Active),
        (Inactive, 3, 0, Activating),
        (Inactive, 3, 3, Active),
    ] {
        let mut scaler = Scaler { activity: before, ..Scaler::proven(at(0)) };
        scaler.reconcile(&two, seen(desired, ready), at(1));
        assert_eq!(scaler.activity(), after, "{before:?}, {desired} wanted, {ready} ready");
    }
    // Nothing wanted: inactive, however many are ready, once it was active for its window.
    let mut scaler = active(&settings());
    scaler.reconcile(&settings(), seen(0, 1), at(60));
    assert_eq!(scaler.activity(), Inactive);
}

#[test]
fn a_new_revision_proves_itself_and_goes_to_zero() {
    let until = at(2) + Duration::from_secs(60);
    let deadline = at(0) + Duration::from_secs(600);
    let scaler = live(
        &settings(),
        Scaler::new(&settings(), at(0)),
        &[
            // It starts with its initial scale, although no load asks for it.
            (0, seen(0, 0), 1, Activity::Activating, Why::Activating { until: deadline }),
            (1, seen(0, 0), 1, Activity::Activating, Why::Activating { until: deadline }),
            (2, seen(0, 1), 1, Activity::Active, Why::Lingering { until }),
            (3, seen(0, 1), 1, Activity::Active, Why::Lingering { until }),
            (61, seen(0, 1), 1, Activity::Active, Why::Lingering { until }),
            // Active for 60 s: inactive, and zero in the same step, because requests were held here for 30 s.
            (62, seen(0, 1), 0, Activity::Inactive, Why::Idle),
            (63, seen(0, 0), 0, Activity::Inactive, Why::Idle),
            // A request.
            (70, seen(1, 0), 1, Activity::Activating, Why::Demand),
            (71, seen(1, 1), 1, Activity::Active, Why::Demand),
        ],
    );
    assert!(scaler.is_initialized());
}

#[test]
fn a_proven_revision_waits_at_zero() {
    live(
        &settings(),
        Scaler::proven(at(0)),
        &[
            // No grace period for what runs no replica.
            (0, seen(0, 0), 0, Activity::Inactive, Why::Idle),
            (30, seen(0, 0), 0, Activity::Inactive, Why::Idle),
            (31, seen(3, 0), 3, Activity::Activating, Why::Demand),
            (32, seen(3, 1), 3, Activity::Active, Why::Demand),
        ],
    );
}

#[test]
fn a_revision_with_initial_scale_zero_is_believed() {
    let none = Settings { initial_scale: 0, ..settings() };
    let scaler = live(
        &none,
        Scaler::new(&none, at(0)),
        &[
            (0, seen(0, 0), 0, Activity::Inactive, Why::Idle),
            (2, seen(0, 0), 0, Activity::Inactive, Why::Idle),
            (4, seen(2, 0), 2, Activity::Activating, Why::Demand),
        ],
    );
    assert!(scaler.is_initialized());
}

#[test]
fn an_initial_scale_above_one_is_held_until_it_was_reached() {
    let three = Settings { initial_scale: 3, ..settings() };
    live(
        &three,
        Scaler::new(&three, at(0)),
        &[
            (0, seen(0, 0), 3, Activity::Activating, Why::InitialScale),
            (1, seen(1, 2), 3, Activity::Activating, Why::InitialScale),
            // From now on it is history.
            (2, seen(2, 3), 2, Activity::Active, Why::Demand),
            (3, seen(1, 2), 1, Activity::Active, Why::Demand),
            (4, seen(0, 1), 1, Activity::Active, Why::Lingering { until: at(62) }),
        ],
    );
    // Unreachable: nobody waits for the proof.
    let mut scaler = Scaler::new(&three, at(0));
    assert_eq!(scaler.reconcile(&three, gone(1, 0), at(0)).replicas, 1);
    // A larger min-scale is what counts.
    let five = Settings { min_scale: 5, ..three };
    let got = Scaler::new(&five, at(0)).reconcile(&five, seen(0, 0), at(0));
    assert_eq!((got.replicas, got.why), (5, Why::MinScale));
}

#[test]
fn bounds_hold_whatever_the_load() {
    let bounded = Settings { min_scale: 2, max_scale: 4, ..settings() };
    live(
        &bounded,
        active(&bounded),
        &[
            (1, seen(0, 2), 2, Activity::Active, Why::MinScale),
            (2, seen(1, 2), 2, Activity::Active, Why::MinScale),
            (3, seen(3, 2), 3, Activity::Active, Why::Demand),
            (4, seen(4, 3), 4, Activity::Active, Why::Demand),
            (5, seen(900, 4), 4, Activity::Active, Why::MaxScale),
            (900, seen(0, 4), 2, Activity::Active, Why::MinScale),
        ],
    );
    // Knative applies the lower bound first: an initial scale above max-scale wins until it was reached.
    let odd = Settings { initial_scale: 5, max_scale: 3, ..settings() };
    let mut scaler = Scaler::new(&odd, at(0));
    assert_eq!(scaler.reconcile(&odd, seen(0, 0), at(0)).replicas, 5);
    assert_eq!(scaler.reconcile(&odd, seen(4, 4), at(1)).replicas, 5);
    assert_eq!(scaler.reconcile(&odd, seen(4, 5), at(2)).replicas, 3);
}

#[test]
fn an_unreachable_revision_has_no_lower_bound() {
    let bounded =
        Settings { min_scale: 2, scale_to_zero_pod_retention_period: Duration::from_secs(300), ..settings() };
    live(
        &bounded,
        active(&bounded),
        &[
            (10, seen(0, 2), 2, Activity::Active, Why::MinScale),
            (20, gone(0, 2), 1, Activity::Active, Why::Lingering { until: at(60) }),
            // No retention either.
            (60, gone(0, 1), 0, Activity::Inactive, Why::Idle),
            // It still answers whoever asks.
            (61, gone(1, 0), 1, Activity::Activating, Why::Demand),
            // A route names it again.
            (62, seen(1, 1), 2, Activity::Activating, Why::MinScale),
        ],
    );
}

#[test]
fn the_last_replica_is_retained() {
    let retained = Settings { scale_to_zero_pod_retention_period: Duration::from_secs(100), ..settings() };
    let until = at(60 + 100);
    live(
        &retained,
        active(&retained),
        &[
            (60, seen(0, 1), 1, Activity::Inactive, Why::Retention { until }),
            (159, seen(0, 1), 1, Activity::Inactive, Why::Retention { until }),
            (160, seen(0, 1), 0, Activity::Inactive, Why::Idle),
        ],
    );
    // Traffic meanwhile starts everything over.
    let until = at(60 + 60 + 100);
    live(
        &retained,
        active(&retained),
        &[
            (60, seen(0, 1), 1, Activity::Inactive, Why::Retention { until: at(160) }),
            (100, seen(1, 1), 1, Activity::Active, Why::Demand),
            (159, seen(0, 1), 1, Activity::Active, Why::Lingering { until: at(160) }),
            (160, seen(0, 1), 1, Activity::Inactive, Why::Retention { until: at(260) }),
        ],
    );
    assert_eq!(until, at(220));
}

#[test]
fn a_young_revision_waits_for_its_grace_period() {
    // A stable window shorter than the grace period.
    let short = Settings { stable_window: Duration::from_secs(6), ..settings() };
    live(
        &short,
        active(&short),
        &[
            // Active since 0, requests held since 0: inactive at 6, zero at 30.
            (6, seen(0, 1), 1, Activity::Inactive, Why::Grace { until: at(30) }),
            (29, seen(0, 1), 1, Activity::Inactive, Why::Grace { until: at(30) }),
            (30, seen(0, 1), 0, Activity::Inactive, Why::Idle),
            // Later the grace period is long over.
            (40, seen(1, 0), 1, Activity::Activating, Why::Demand),
            (41, seen(1, 1), 1, Activity::Active, Why::Demand),
            (47, seen(0, 1), 0, Activity::Inactive, Why::Idle),
        ],
    );
    // Retention shorter than what is left of the grace period: the grace period counts.
    let both = Settings { scale_to_zero_pod_retention_period: Duration::from_secs(10), ..short };
    live(
        &both,
        active(&both),
        &[
            (6, seen(0, 1), 1, Activity::Inactive, Why::Retention { until: at(16) }),
            (16, seen(0, 1), 1, Activity::Inactive, Why::Grace { until: at(30) }),
            (30, seen(0, 1), 0, Activity::Inactive, Why::Idle),
        ],
    );
}

#[test]
fn a_revision_that_never_gets_ready_is_given_up() {
    let short = Settings { progress_deadline: Duration::from_secs(20), ..settings() };
    let until = at(20);
    let scaler = live(
        &short,
        Scaler::new(&short, at(0)),
        &[
            (0, seen(0, 0), 1, Activity::Activating, Why::Activating { until }),
            (19, seen(0, 0), 1, Activity::Activating, Why::Activating { until }),
            (20, seen(0, 0), 0, Activity::Inactive, Why::TimedOut),
            (99, seen(0, 0), 0, Activity::Inactive, Why::TimedOut),
            // A request gives it another chance, without end while requests wait.
            (100, seen(1, 0), 1, Activity::Activating, Why::Demand),
            (300, seen(1, 0), 1, Activity::Activating, Why::Demand),
            // They gave up: 20 s since it began to activate are over.
            (301, seen(0, 0), 0, Activity::Inactive, Why::TimedOut),
        ],
    );
    assert!(!scaler.is_initialized());
}

#[test]
fn a_crashed_replica_of_an_idle_revision_has_the_deadline_to_come_back() {
    let short = Settings { progress_deadline: Duration::from_secs(20), ..settings() };
    live(
        &short,
        active(&short),
        &[
            (10, seen(0, 0), 1, Activity::Activating, Why::Activating { until: at(30) }),
            (12, seen(0, 1), 1, Activity::Active, Why::Lingering { until: at(72) }),
            (13, seen(0, 1), 1, Activity::Active, Why::Lingering { until: at(72) }),
        ],
    );
}

#[test]
fn without_scale_to_zero_one_replica_stays() {
    let never = Settings { scale_to_zero: false, ..settings() };
    live(
        &never,
        active(&never),
        &[
            (10, seen(0, 1), 1, Activity::Active, Why::NeverZero),
            (9999, seen(0, 1), 1, Activity::Active, Why::NeverZero),
        ],
    );
    // Even a restored one starts.
    live(&never, Scaler::proven(at(0)), &[(0, seen(0, 0), 1, Activity::Activating, Why::NeverZero)]);
}

#[test]
fn reasons_are_sentences() {
    let s = settings();
    for (why, words) in [
        (Why::Idle, "no traffic for 1m0s"),
        (Why::InitialScale, "initial-scale 1: a new revision proves itself"),
        (Why::Lingering { until: at(0) }, "no traffic, kept until it was active for 1m0s"),
        (Why::Grace { until: at(0) }, "no traffic, kept for the grace period of 30s"),
        (Why::TimedOut, "not ready within 10m0s"),
    ] {
        assert_eq!(why.words(&s).to_string(), words);
    }
}
