//! What the tables in `tests/` cannot see: the rules' names, and that a decider comes to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::settings::{Defaults, HPA, PREFIX};

fn settings() -> Settings {
    let settings = Settings::from_annotations(&BTreeMap::new(), 0, &Defaults::default()).unwrap();
    Settings { target: 10.0, total: 10.0, ..settings }
}

fn seen(ready: u32, stable: f64, panic: f64) -> Observed {
    Observed { ready, stable, panic, reachable: true }
}

#[test]
fn a_decision_names_the_rule_that_had_the_last_word() {
    let now = Moment::from_secs(1000);
    let steep = Settings { max_scale_up_rate: 1.5, ..settings() };
    let activated = Settings { activation_scale: 4, ..settings() };
    for (settings, observed, desired, by) in [
        (&settings(), seen(1, 15.0, 5.0), 2, By::StableWindow),
        (&settings(), seen(1, 15.0, 35.0), 4, By::PanicWindow),
        (&settings(), seen(8, 5.0, 5.0), 4, By::DownRate),
        (&steep, seen(2, 90.0, 90.0), 3, By::UpRate),
        (&activated, seen(1, 5.0, 5.0), 4, By::Activation),
    ] {
        let decision = Decider::new(0, now).decide(settings, observed, now);
        assert_eq!((decision.desired, decision.decided_by), (desired, by), "{observed:?}");
    }

    let mut decider = Decider::new(0, now);
    assert_eq!(decider.decide(&settings(), seen(1, 50.0, 50.0), now).decided_by, By::StableWindow);
    let calm = decider.decide(&settings(), seen(5, 10.0, 10.0), now + Duration::from_secs(2));
    assert_eq!((calm.desired, calm.decided_by, calm.panicking), (5, By::Panic, true));

    let delayed = Settings { scale_down_delay: Duration::from_secs(10), ..settings() };
    let mut decider = Decider::new(0, now);
    decider.decide(&delayed, seen(1, 15.0, 5.0), now);
    let held = decider.decide(&delayed, seen(2, 5.0, 5.0), now + Duration::from_secs(2));
    assert_eq!((held.desired, held.decided_by), (2, By::Delay));
}

#[test]
fn a_decider_rests_when_time_alone_changes_nothing() {
    let now = Moment::from_secs(1000);
    let mut decider = Decider::new(0, now);
    decider.decide(&settings(), seen(0, 0.0, 0.0), now);
    assert!(decider.settle(now));

    // Panic ends by time.
    decider.decide(&settings(), seen(1, 50.0, 50.0), now);
    assert!(!decider.settle(now));
    let later = now + Duration::from_secs(61);
    decider.decide(&settings(), seen(5, 0.0, 0.0), later);
    assert!(decider.settle(later));

    // So does a delay, even of a revision that became unreachable meanwhile.
    let delayed = Settings { scale_down_delay: Duration::from_secs(10), ..settings() };
    decider.decide(&delayed, seen(1, 15.0, 5.0), later);
    assert!(!decider.settle(later));
    let gone = Observed { reachable: false, ..seen(2, 0.0, 0.0) };
    assert_eq!(decider.decide(&delayed, gone, later).desired, 0);
    assert!(!decider.settle(later));
    assert!(decider.settle(later + Duration::from_secs(12)));
}

#[test]
fn a_changed_delay_takes_effect_at_once() {
    let now = Moment::from_secs(1000);
    let long = Settings { scale_down_delay: Duration::from_secs(600), ..settings() };
    let short = Settings { scale_down_delay: Duration::from_secs(10), ..settings() };
    let mut decider = Decider::new(0, now);
    assert_eq!(decider.decide(&long, seen(1, 15.0, 5.0), now).desired, 2);
    let later = now + Duration::from_secs(60);
    assert_eq!(decider.decide(&long, seen(2, 5.0, 5.0), later).desired, 2);
    assert_eq!(decider.decide(&short, seen(2, 5.0, 5.0), later).desired, 1);
    // Removed: nothing is held, and nothing remembered for later.
    assert_eq!(decider.decide(&long, seen(3, 25.0, 25.0), later).desired, 3);
    assert_eq!(decider.decide(&settings(), seen(3, 5.0, 5.0), later).desired, 1);
    assert_eq!(decider.decide(&long, seen(3, 5.0, 5.0), later).desired, 1);
}

#[test]
fn a_class_from_elsewhere_is_one_replica_whatever_the_load() {
    let annotations = BTreeMap::from([(format!("{PREFIX}class"), HPA.to_owned())]);
    let settings = Settings::from_annotations(&annotations, 0, &Defaults::default()).unwrap();
    let now = Moment::from_secs(1000);
    let mut decider = Decider::new(4, now);
    for observed in [seen(0, 0.0, 0.0), seen(4, 900.0, 9000.0)] {
        let decision = decider.decide(&settings, observed, now);
        assert_eq!((decision.desired, decision.decided_by), (1, By::Unscaled));
        assert!(decider.settle(now));
    }
}

#[test]
fn absurd_loads_saturate() {
    let now = Moment::from_secs(1000);
    let settings = Settings { max_scale_up_rate: f64::MAX, ..settings() };
    let decision = Decider::new(0, now).decide(&settings, seen(u32::MAX, f64::MAX, f64::MAX), now);
    assert_eq!(decision.desired, i32::MAX as u32);
    assert_eq!(decision.excess_burst_capacity, i32::MIN);
}
