//! The task with a clock of its own: tokio's paused time jumps to whatever is awaited next.

use super::*;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let map = pairs.iter().map(|&(k, v)| (format!("{}{k}", crate::settings::PREFIX), v.to_owned())).collect();
    Settings::from_annotations(&map, 0, &Defaults::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_revision_starts_proves_itself_and_ends() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.upsert("ns", "a", settings(&[]), true);
    let started = Instant::now();
    let first = orders.recv().await.unwrap();
    assert_eq!((&*first.key.0, &*first.key.1, first.replicas), ("ns", "a", 1));
    assert_eq!(started.elapsed(), Duration::ZERO);

    tokio::time::sleep(Duration::from_secs(3)).await;
    autoscaler.set_ready("ns", "a", 1);
    let last = orders.recv().await.unwrap();
    assert_eq!((last.replicas, last.reason.as_str()), (0, "no traffic for 1m0s"));
    // Ready at 3 s, active for 60 s; timers have a millisecond's grain.
    assert_eq!(started.elapsed().as_secs(), 63);
}

#[tokio::test(start_paused = true)]
async fn a_restored_revision_waits() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.restore("ns", "a", settings(&[]), true);
    autoscaler.restore("ns", "b", settings(&[("min-scale", "2")]), true);
    let order = orders.recv().await.unwrap();
    assert_eq!((&*order.key.1, order.replicas), ("b", 2));
    let statuses = autoscaler.statuses().await;
    let wanted: Vec<_> = statuses.iter().map(|s| (&*s.name, s.wanted, s.initialized)).collect();
    assert_eq!(wanted, [("a", 0, true), ("b", 2, true)]);
    autoscaler.remove("ns", "b");
    assert_eq!(autoscaler.statuses().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_autoscaler_sleeps() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    autoscaler.restore("ns", "a", settings(&[]), true);
    // Were there a timer, paused time would jump to it; so a year passes in one step.
    let year = Duration::from_secs(365 * 24 * 3600);
    assert!(tokio::time::timeout(year, orders.recv()).await.is_err());
    assert_eq!(autoscaler.statuses().await[0].wanted, 0);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_last_handle() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    let other = autoscaler.clone();
    drop(autoscaler);
    assert!(other.statuses().await.is_empty());
    drop(other);
    assert_eq!(orders.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn after_shutdown_a_handle_does_no_harm() {
    let (autoscaler, mut orders) = Autoscaler::spawn(Config::default()).unwrap();
    let other = autoscaler.clone();
    autoscaler.shutdown().await;
    other.upsert("ns", "a", settings(&[]), true);
    assert!(other.statuses().await.is_empty());
    other.shutdown().await;
    assert_eq!(orders.recv().await, None);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (autoscaler, _orders) = Autoscaler::spawn(Config::default()).unwrap();
    let again = Config { listen: autoscaler.address(), ..Config::default() };
    let refused = Autoscaler::spawn(again).unwrap_err().to_string();
    let expected = format!("autoscaler: cannot listen on {} for load reports: ", autoscaler.address());
    assert!(refused.starts_with(&expected), "{refused}");
}

#[test]
fn the_clock_goes_both_ways() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Clock::start();
        let now = clock.now();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(clock.now().since(now), Duration::from_millis(1500));
        assert_eq!(clock.instant(now + Duration::from_millis(1500)), Instant::now());
    });
}
