use super::*;

const SECOND: u64 = 1_000_000;

#[test]
fn the_mean_is_weighted_by_time() {
    let meter = Meter::new(0);
    meter.start(0);
    meter.start(SECOND / 2);
    meter.end(SECOND * 3 / 4);
    // 0.5 s of 1, 0.25 s of 2, 0.25 s of 1.
    assert_eq!(meter.report(SECOND), Sample { average_concurrency: 1.25, requests: 2, level: 1 });
    // What runs goes on, counts begin anew.
    assert_eq!(meter.report(2 * SECOND), Sample { average_concurrency: 1.0, requests: 0, level: 1 });
    meter.end(2 * SECOND);
    let idle = meter.report(3 * SECOND);
    assert_eq!(idle, Sample { average_concurrency: 0.0, requests: 0, level: 0 });
    assert!(idle.is_idle());
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let meter = Meter::new(100);
    meter.start(50);
    meter.end(40);
    meter.start(50);
    assert_eq!(meter.report(60), Sample { average_concurrency: 1.0, requests: 2, level: 1 });
}

#[test]
fn a_report_in_no_time_says_what_runs() {
    let meter = Meter::new(7);
    meter.start(7);
    assert_eq!(meter.report(7), Sample { average_concurrency: 1.0, requests: 1, level: 1 });
}

#[test]
fn workers_add_up() {
    let (a, b) = (Meter::new(0), Meter::new(0));
    a.start(0);
    b.start(SECOND / 2);
    let sum = a.report(SECOND).plus(b.report(SECOND));
    assert_eq!(sum, Sample { average_concurrency: 1.5, requests: 2, level: 2 });
}
