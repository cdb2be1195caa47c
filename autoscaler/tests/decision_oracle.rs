//! The decision against a second implementation that shares nothing with it: whole numbers instead of floats, the whole
//! history read anew at every step instead of a state carried along.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_autoscaler::decision::{Decider, Observed};
use forebay_autoscaler::{Defaults, Moment, Settings};
use proptest::prelude::*;

/// Everything in quarters, so that all quotients compare exactly in whole numbers.
#[derive(Debug, Clone)]
struct Rules {
    target4: u64,
    up4: u64,
    down4: u64,
    threshold4: u64,
    stable: u64,
    activation: u64,
    delay: u64,
    total: i64,
    burst: i64,
}

#[derive(Debug, Clone)]
struct Step {
    /// Half seconds, so that ticks and stretches do not always meet.
    half_seconds: u64,
    ready: u64,
    stable4: u64,
    panic4: u64,
    reachable: bool,
}

#[derive(Debug, PartialEq)]
struct Answer {
    desired: u64,
    panicking: bool,
    burst: i64,
}

fn ceil_div(a: u64, b: u64) -> u64 {
    a.div_ceil(b)
}

/// The answer to the last of `steps`.
fn oracle(rules: &Rules, start_ready: u64, steps: &[Step]) -> Answer {
    struct Past {
        at: u64,
        wish: u64,
        panicking: bool,
        reachable: bool,
    }
    let mut clock = 0;
    let mut over_at = (start_ready > 1).then_some(0);
    let mut past: Vec<Past> = Vec::new();
    for step in steps {
        clock += step.half_seconds;
        let ready = step.ready.max(1);
        let most = ceil_div(rules.up4 * ready, 4);
        let least = if step.reachable { 4 * ready / rules.down4 } else { 0 };
        let raw = |load4: u64| ceil_div(load4, rules.target4);
        let wish = |load4: u64| {
            let limited = raw(load4).max(least).min(most);
            if rules.activation > 1 && load4 > 0 { limited.max(rules.activation) } else { limited }
        };
        if raw(step.panic4) * 4 >= rules.threshold4 * ready {
            over_at = Some(clock);
        }
        let panicking = over_at.is_some_and(|at| at + 2 * rules.stable >= clock);
        let mut now = wish(step.stable4);
        if panicking {
            now = now.max(wish(step.panic4));
            // Everything since this panic began; at the very beginning, what ran before.
            let unbroken = past.iter().rev().take_while(|p| p.panicking);
            now = unbroken.clone().map(|p| p.wish).max().unwrap_or(0).max(now);
            if start_ready > 1 && unbroken.count() == past.len() {
                now = now.max(start_ready);
            }
        }
        past.push(Past { at: clock, wish: now, panicking, reachable: step.reachable });
    }
    let (Some(last), Some(step)) = (past.last(), steps.last()) else { panic!("no steps") };
    let mut desired = last.wish;
    if last.reachable && rules.delay > 0 {
        // Stretches of two seconds, counted from a start that is a multiple of two.
        let lasts = ceil_div(rules.delay, 2);
        let held = past.iter().filter(|p| p.reachable && last.at / 4 - p.at / 4 < lasts).map(|p| p.wish);
        desired = held.max().unwrap_or(desired);
    }
    let burst = match rules.burst {
        -1 => -1,
        0 => 0,
        burst => (4 * (step.ready as i64 * rules.total - burst) - step.panic4 as i64).div_euclid(4),
    };
    Answer { desired, panicking: last.panicking, burst }
}

fn quarters(n: u64) -> f64 {
    n as f64 / 4.0
}

fn settings(rules: &Rules) -> Settings {
    let settings = Settings::from_annotations(&BTreeMap::new(), 0, &Defaults::default()).unwrap();
    Settings {
        target: quarters(rules.target4),
        total: rules.total as f64,
        target_burst_capacity: rules.burst as f64,
        panic_threshold: quarters(rules.threshold4),
        max_scale_up_rate: quarters(rules.up4),
        max_scale_down_rate: quarters(rules.down4),
        stable_window: Duration::from_secs(rules.stable),
        activation_scale: rules.activation as u32,
        scale_down_delay: Duration::from_secs(rules.delay),
        ..settings
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let rates = (5_u64..40, 5_u64..40, 5_u64..40);
    let rest = (
        1_u64..400,
        prop::sample::select(vec![6_u64, 10, 60]),
        0_u64..6,
        prop::sample::select(vec![0_u64, 1, 5, 30]),
        1_i64..200,
        prop::sample::select(vec![-1_i64, 0, 7, 211]),
    );
    (rates, rest).prop_map(
        |((up4, down4, threshold4), (target4, stable, activation, delay, total, burst))| Rules {
            target4,
            up4,
            down4,
            threshold4,
            stable,
            activation,
            delay,
            total,
            burst,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![8 => 0_u64..6, 2 => 10_u64..30, 1 => 100_u64..200],
        prop_oneof![3 => 0_u64..5, 2 => 0_u64..60],
        prop_oneof![1 => Just(0_u64), 4 => 0_u64..400, 1 => 0_u64..40_000],
        prop_oneof![1 => Just(0_u64), 4 => 0_u64..400, 1 => 0_u64..40_000],
        prop::bool::weighted(0.9),
    );
    let step = step.prop_map(|(half_seconds, ready, stable4, panic4, reachable)| Step {
        half_seconds,
        ready,
        stable4,
        panic4,
        reachable,
    });
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn both_implementations_decide_alike(rules in rules(), start_ready in 0_u64..6, steps in steps()) {
        let settings = settings(&rules);
        let start = Moment::from_secs(1_700_000_000);
        let mut decider = Decider::new(start_ready as u32, start);
        let mut clock = start;
        for (n, step) in steps.iter().enumerate() {
            clock = clock + Duration::from_millis(500 * step.half_seconds);
            let observed = Observed {
                ready: step.ready as u32,
                stable: quarters(step.stable4),
                panic: quarters(step.panic4),
                reachable: step.reachable,
            };
            let got = decider.decide(&settings, observed, clock);
            let got = Answer {
                desired: u64::from(got.desired),
                panicking: got.panicking,
                burst: i64::from(got.excess_burst_capacity),
            };
            prop_assert_eq!(got, oracle(&rules, start_ready, &steps[..=n]), "step {}", n);
            // Coming to rest must be safe at any time.
            decider.settle(clock);
        }
    }
}
