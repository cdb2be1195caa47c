use forebay_base::rng::Rng;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::*;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Runs on a worker's kind of runtime, with a view of the drain that is being followed.
fn run<T>(work: impl AsyncFnOnce(Drain, WorkerDrain) -> T) -> T {
    let runtime = tokio::runtime::LocalRuntime::new().unwrap();
    runtime.block_on(async {
        let drain = Drain::new();
        let worker = drain.worker();
        let follower = worker.clone();
        tokio::task::spawn_local(async move { follower.follow().await });
        tokio::time::timeout(Duration::from_secs(10), work(drain, worker)).await.unwrap()
    })
}

#[test]
fn phases_only_go_forward() {
    let drain = Drain::new();
    assert_eq!(drain.phase(), Phase::Running);
    assert!(drain.advance(Phase::Closing));
    assert!(!drain.advance(Phase::Draining));
    assert!(!drain.advance(Phase::Closing));
    assert_eq!(drain.phase(), Phase::Closing);
    assert!(drain.advance(Phase::Cut));
}

#[test]
fn is_done_when_the_last_guard_is_gone_and_not_before() {
    run(async |drain, worker| {
        let (first, second) = (worker.guard(), worker.guard());
        let running = drain.clone();
        let ended = tokio::task::spawn_local(async move { running.end(None).await });
        drain.reached(Phase::Closing).await;
        drop(first);
        tokio::time::sleep(ms(20)).await;
        assert!(!ended.is_finished());
        assert!(!drain.is_idle());
        drop(second);
        assert_eq!(ended.await.unwrap(), Phase::Closing);
        assert!(drain.is_idle());
    });
}

#[test]
fn the_deadline_cuts_what_is_left() {
    run(async |drain, worker| {
        let mut guard = worker.guard();
        let seen = tokio::task::spawn_local(async move {
            let mut seen = Vec::new();
            while seen.last() != Some(&Phase::Cut) {
                seen.push(guard.next_phase().await);
            }
            seen
        });
        drain.begin(false, Ramp::Immediate, ms(30));
        tokio::time::sleep(ms(10)).await;
        assert_eq!(drain.end(Some(ms(30))).await, Phase::Cut);
        assert_eq!(seen.await.unwrap(), [Phase::Draining, Phase::Closing, Phase::Cut]);
        drain.idle().await;
    });
}

#[test]
fn work_may_begin_while_draining_and_is_waited_for() {
    run(async |drain, worker| {
        drain.begin(false, Ramp::Immediate, ms(30));
        let late = worker.guard();
        let running = drain.clone();
        let ended = tokio::task::spawn_local(async move { running.end(None).await });
        drain.reached(Phase::Closing).await;
        tokio::task::yield_now().await;
        assert!(!ended.is_finished());
        drop(late);
        assert_eq!(ended.await.unwrap(), Phase::Closing);
    });
}

#[test]
fn a_second_order_can_hurry_the_first() {
    run(async |drain, worker| {
        let _guard = worker.guard();
        let running = drain.clone();
        let ended =
            tokio::task::spawn_local(async move { running.end(Some(Duration::from_secs(3600))).await });
        drain.reached(Phase::Closing).await;
        drain.advance(Phase::Cut);
        assert_eq!(ended.await.unwrap(), Phase::Cut);
    });
}

#[test]
fn guards_are_told_once_per_phase_wherever_they_wait() {
    run(async |drain, worker| {
        let mut tasks = Vec::new();
        for _ in 0..100 {
            let mut guard = worker.guard();
            tasks.push(tokio::task::spawn_local(async move { guard.next_phase().await }));
        }
        tokio::task::yield_now().await;
        drain.advance(Phase::Draining);
        for task in tasks {
            assert_eq!(task.await.unwrap(), Phase::Draining);
        }
        // Told is told: a guard made afterwards waits for the next one.
        let mut guard = worker.guard();
        assert!(poll_fn(|cx| Poll::Ready(guard.poll_phase(cx))).await.is_pending());
        drain.advance(Phase::Cut);
        assert_eq!(guard.next_phase().await, Phase::Cut);
    });
}

#[test]
fn waiting_places_are_used_again() {
    run(async |_, worker| {
        for _ in 0..1000 {
            let mut guard = worker.guard();
            assert!(poll_fn(|cx| Poll::Ready(guard.poll_phase(cx))).await.is_pending());
        }
        assert_eq!(worker.0.waiting.borrow().places.len(), 1);
        assert_eq!(worker.guards(), 0);
    });
}

#[test]
fn other_threads_are_waited_for() {
    run(async |drain, _| {
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let worker = drain.clone();
                let (ready, is_ready) = std::sync::mpsc::channel();
                let thread = std::thread::spawn(move || {
                    tokio::runtime::LocalRuntime::new().unwrap().block_on(async {
                        let worker = worker.worker();
                        let mut guard = worker.guard();
                        ready.send(()).unwrap();
                        let follower = worker.clone();
                        tokio::task::spawn_local(async move { follower.follow().await });
                        guard.next_phase().await;
                        tokio::time::sleep(ms(10 * n)).await;
                    });
                });
                is_ready.recv().unwrap();
                thread
            })
            .collect();
        assert_eq!(drain.end(None).await, Phase::Closing);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// A drain by `ramp` that began so long ago.
fn drained(worker: &WorkerDrain, ramp: Ramp, lasts: Duration, elapsed: Duration) {
    let began = Some(now() - elapsed);
    worker.0.state.set(State { phase: Phase::Draining, ramp, lasts, inbound: began, others: began });
}

#[test]
fn a_ramp_sends_away_more_and_more() {
    run(async |drain, worker| {
        let rng = Rng::seeded(1);
        assert!(!worker.sends_away(false, &rng));
        let lasts = Duration::from_secs(1000);
        let at = |elapsed: Duration| {
            drained(&worker, Ramp::Gradual, lasts, elapsed);
            (0..1000).filter(|_| worker.sends_away(false, &rng)).count()
        };
        assert!(at(Duration::ZERO) < 50);
        assert!((200..300).contains(&at(lasts / 4)));
        assert_eq!(at(lasts), 1000);
        assert!(!worker.is_immediate(false));
        drain.advance(Phase::Closing);
        tokio::task::yield_now().await;
        assert!(worker.sends_away(false, &rng) && worker.is_immediate(false));
    });
}

#[test]
fn inbound_listeners_may_drain_alone_and_the_others_later() {
    run(async |drain, worker| {
        let rng = Rng::seeded(1);
        let told = |inbound| worker.sends_away(inbound, &rng) && worker.is_immediate(inbound);
        assert!(drain.begin(true, Ramp::Immediate, ms(50)));
        tokio::task::yield_now().await;
        assert_eq!((drain.phase(), told(true), told(false)), (Phase::DrainingInbound, true, false));
        let since = worker.0.state.get().inbound;
        assert!(!drain.begin(true, Ramp::Gradual, ms(50)), "it drains already");
        assert!(drain.begin(false, Ramp::Immediate, ms(50)));
        tokio::task::yield_now().await;
        assert_eq!((drain.phase(), told(true), told(false)), (Phase::Draining, true, true));
        assert_eq!(worker.0.state.get().inbound, since, "what drains does not begin anew");
        assert!(!drain.begin(true, Ramp::Immediate, ms(50)), "of all listeners these are some");
    });
}

#[test]
fn idle_connections_go_in_the_last_third_and_not_at_its_end() {
    run(async |_, worker| {
        let rng = Rng::seeded(1);
        let patience = Duration::from_secs(5);
        assert_eq!(worker.idle_leaves(false, patience, &rng), None, "nothing drains");
        drained(&worker, Ramp::Immediate, Duration::from_secs(30), Duration::ZERO);
        for _ in 0..1000 {
            let at = worker.idle_leaves(false, patience, &rng).unwrap();
            assert!((19.5..=25.0).contains(&at.as_secs_f64()), "{at:?}");
        }
        drained(&worker, Ramp::Immediate, Duration::from_secs(30), Duration::from_secs(60));
        assert_eq!(worker.idle_leaves(false, patience, &rng), Some(Duration::ZERO));
        drained(&worker, Ramp::Immediate, Duration::from_secs(15), Duration::ZERO);
        assert_eq!(worker.idle_leaves(false, patience, &rng), None, "Envoy tells none in so short a time");
    });
}

proptest! {
    /// Whatever guards come and go on whatever workers: idle exactly when none is held.
    #[test]
    fn idle_means_no_guard(steps in proptest::collection::vec((0usize..3, any::<bool>(), any::<usize>()), 0..60)) {
        let drain = Drain::new();
        let workers = [drain.worker(), drain.worker(), drain.worker()];
        let mut held: Vec<Vec<Guard>> = vec![Vec::new(), Vec::new(), Vec::new()];
        for (worker, take, which) in steps {
            if take {
                held[worker].push(workers[worker].guard());
            } else if !held[worker].is_empty() {
                let which = which % held[worker].len();
                held[worker].swap_remove(which);
            }
            prop_assert_eq!(drain.is_idle(), held.iter().all(Vec::is_empty));
            for (worker, held) in workers.iter().zip(&held) {
                prop_assert_eq!(worker.guards(), held.len());
            }
        }
    }
}
