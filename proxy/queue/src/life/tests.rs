use super::*;

async fn local<T>(work: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(work).await
}

#[tokio::test]
async fn a_drain_is_shared_and_requests_prolong_it() {
    local(async {
        let clock = Clock::new();
        let quiet = Quiet::new(Duration::from_millis(60), clock.clone());
        assert!(!quiet.is_on());
        let other = quiet.clone();
        let second = tokio::task::spawn_local(async move { other.drain().await });
        let begun = clock.tick();
        let toucher = quiet.clone();
        let ticks = clock.clone();
        tokio::task::spawn_local(async move {
            sleep(Duration::from_millis(40)).await;
            toucher.touch(ticks.tick());
        });
        quiet.drain().await;
        assert!(clock.tick().since(begun) >= 100_000, "the request did not prolong it");
        assert!(second.await.is_ok());
        assert!(quiet.is_on(), "probes go on failing");
        // Whoever comes later does not wait again.
        quiet.drain().await;
    })
    .await;
}

#[tokio::test]
async fn a_drain_that_is_called_off_lets_its_waiters_go() {
    local(async {
        let quiet = Quiet::new(Duration::from_secs(3600), Clock::new());
        let other = quiet.clone();
        let waiter = tokio::task::spawn_local(async move { other.drain().await });
        while !quiet.is_on() {
            tokio::task::yield_now().await;
        }
        quiet.reset();
        assert!(waiter.await.is_ok());
        assert!(!quiet.is_on());
    })
    .await;
}

#[tokio::test]
async fn the_end_waits_for_requests_first_and_then_for_those_apart() {
    let all = Rc::<InFlight>::default();
    let (plain, mut upgraded) = (Counted::new(&all, false), Counted::new(&all, false));
    let stream = Counted::new(&all, true);
    assert_eq!(all.all(), 3);
    upgraded.set_apart();
    upgraded.set_apart();
    drop(plain);
    all.only_apart().await;
    drop(stream);
    drop(upgraded);
    all.none().await;
    assert_eq!((all.all.get(), all.apart.get()), (0, 0));
}
