use std::time::Instant;

use super::*;

fn run<T>(work: impl AsyncFnOnce(Timer) -> T) -> T {
    let runtime = tokio::runtime::LocalRuntime::new().unwrap();
    runtime.block_on(async {
        let timer = Timer::new(Clock::new());
        let driver = timer.clone();
        tokio::task::spawn_local(async move { driver.run().await });
        tokio::time::timeout(Duration::from_secs(10), work(timer)).await.unwrap()
    })
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn fires_after_its_time_and_in_order() {
    run(async |timer| {
        let begun = Instant::now();
        let mut order = Vec::new();
        let (a, b, c) = (timer.after(ms(90)), timer.after(ms(30)), timer.after(ms(60)));
        let (mut a, mut b, mut c) = (pin!(a), pin!(b), pin!(c));
        while order.len() < 3 {
            tokio::select! {
                () = &mut a, if !order.contains(&90) => order.push(90),
                () = &mut b, if !order.contains(&30) => order.push(30),
                () = &mut c, if !order.contains(&60) => order.push(60),
            }
            assert!(begun.elapsed() >= ms(*order.last().unwrap() - 1), "too early");
        }
        assert_eq!(order, [30, 60, 90]);
    });
}

#[test]
fn a_nearer_timeout_is_not_held_up_by_a_farther_one() {
    run(async |timer| {
        let far = timer.after(Duration::from_secs(3600));
        let waiting = tokio::task::spawn_local(far);
        tokio::task::yield_now().await;
        assert_eq!(timer.len(), 1);
        timer.after(ms(20)).await;
        waiting.abort();
        let _ = waiting.await;
        assert!(timer.is_empty());
    });
}

#[test]
fn reset_moves_it_both_ways() {
    run(async |timer| {
        let begun = Instant::now();
        let mut timeout = timer.after(ms(20));
        assert!(poll_fn(|cx| Poll::Ready(timeout.poll_expired(cx))).await.is_pending());
        timeout.reset(ms(100));
        (&mut timeout).await;
        assert!(begun.elapsed() >= ms(100));
        // Once fired it can be used again, and be brought nearer.
        timeout.reset(Duration::from_secs(3600));
        assert!(poll_fn(|cx| Poll::Ready(timeout.poll_expired(cx))).await.is_pending());
        timeout.reset(ms(20));
        (&mut timeout).await;
        assert_eq!(timer.len(), 1);
        drop(timeout);
        assert!(timer.is_empty());
    });
}

#[test]
fn off_is_off_and_costs_nothing() {
    run(async |timer| {
        let mut timeout = timer.never();
        assert_eq!(timeout.deadline(), None);
        assert!(poll_fn(|cx| Poll::Ready(timeout.poll_expired(cx))).await.is_pending());
        assert!(timer.is_empty());
        timeout.reset(ms(10));
        (&mut timeout).await;
        timeout.stop();
        assert!(poll_fn(|cx| Poll::Ready(timeout.poll_expired(cx))).await.is_pending());
        assert!(timer.is_empty());
    });
}

#[test]
fn a_timeout_in_the_past_is_ready_at_once_and_never_registered() {
    run(async |timer| {
        timer.after(Duration::ZERO).await;
        timer.at(Micros(0)).await;
        assert!(timer.is_empty());
    });
}

#[test]
fn the_task_that_polled_last_is_woken() {
    run(async |timer| {
        let mut timeout = timer.after(ms(30));
        assert!(poll_fn(|cx| Poll::Ready(timeout.poll_expired(cx))).await.is_pending());
        // Another task takes it over.
        tokio::task::spawn_local(timeout).await.unwrap();
    });
}

#[test]
fn thousands_at_once_all_fire() {
    run(async |timer| {
        let tasks: Vec<_> =
            (0..5000).map(|n| tokio::task::spawn_local(timer.after(Duration::from_micros(n * 20)))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(timer.is_empty());
        assert!(size_of::<Timeout>() <= 24);
    });
}

#[test]
fn a_worker_that_slept_starts_timeouts_from_now() {
    run(async |timer| {
        // Nothing ticked the clock meanwhile.
        std::thread::sleep(ms(60));
        let begun = Instant::now();
        timer.after(ms(40)).await;
        assert!(begun.elapsed() >= ms(40));
    });
}
