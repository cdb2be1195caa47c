//! How attempts add up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use forebay_knative::api::{Handler, Probe};
use tokio::net::TcpListener;

use super::*;
use crate::probe::tests::{Bench, probe};

#[tokio::test(start_paused = true)]
async fn thresholds_count_in_a_row_and_periods_are_kept() {
    let mut seen = Vec::new();
    // The clock is a paused one and the sockets are real: on a busy machine it jumps ahead while a connection is still being
    // made, which is the clock's fault and does not happen each time.
    for _ in 0..5 {
        let times = times().await;
        if (times[0] - 100).abs() < 5 && times[1..] == [7, 5, 8] {
            return;
        }
        seen.push(times);
    }
    panic!(
        "ms of three successes in a row, then s of two by period, after a delay, and of four failures: {seen:?}"
    );
}

async fn times() -> [i64; 4] {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = bench.target(listener.local_addr().unwrap());
    let check = |change: fn(&mut Probe)| {
        let mut probe = probe(Handler::TcpSocket { port: 0, host: "".into() });
        change(&mut probe);
        Check::new(&probe, Protocol::Http1).unwrap()
    };
    let begun = Instant::now();
    check(|probe| probe.success_threshold = 3).pass(&target).await;
    let aggressive = begun.elapsed().as_millis() as i64;
    let begun = Instant::now();
    check(|probe| (probe.success_threshold, probe.period_seconds) = (2, 7)).pass(&target).await;
    let period = begun.elapsed().as_secs() as i64;
    let fresh = bench.target(target.address);
    let begun = Instant::now();
    check(|probe| probe.initial_delay_seconds = 5).pass(&fresh).await;
    let delayed = begun.elapsed().as_secs() as i64;
    drop(listener);
    let begun = Instant::now();
    let why = check(|probe| (probe.failure_threshold, probe.period_seconds) = (4, 2)).fails(&fresh).await;
    assert!(why.starts_with("nothing listens on PORT="), "{why}");
    [aggressive, period, delayed, begun.elapsed().as_secs() as i64]
}

#[test]
fn refused_attempts_come_every_millisecond_first_and_every_ten_at_last() {
    let mut pace = Pace::new(&Attempt::Tcp);
    for (age, wait) in [(0, 1_000), (3_000, 1_000), (15_000, 5_000), (30_000, 10_000), (600_000, 10_000)] {
        assert_eq!(pace.next(true, Duration::from_millis(age)).as_micros(), wait, "at {age} ms");
    }
    let answered: Vec<_> = (0..8).map(|_| pace.next(false, Duration::ZERO).as_millis()).collect();
    assert_eq!(answered, [2, 4, 8, 16, 32, 64, 100, 100]);
}

/// Counts what one start costs in attempts.
#[tokio::test]
async fn a_start_is_seen_at_once() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicU32::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let target = bench.target(address);
    let plan = Plan { startup: None, own: None, readiness: Check::listens(), liveness: None };
    assert_eq!(plan.ready(&target).await, Waited::Passed);
    while accepted.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 1, "one connection, and none after");
}
