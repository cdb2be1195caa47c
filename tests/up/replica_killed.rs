//! A replica dies under load: at most what was in flight on it fails, and says why.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::forebay::Forebay;
use crate::support::load::Load;
use crate::support::manifest::hello;
use crate::support::{process, until};

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn only_what_was_in_flight_on_it_may_fail() {
    let forebay =
        Forebay::up(|mark| hello(mark).scaling("initial-scale", "2").scaling("min-scale", "2").to_string());
    let forebay = forebay.await;
    until("two replicas", async || forebay.replicas().len() == 2).await;
    let load = Load::new(forebay.address, HOST, "/sleep?ms=5", 8).start();
    until("answers", async || load.tally().count(200) > 100).await;
    process::signal(forebay.replicas()[0], Signal::KILL);
    let before = load.tally().total();
    until("answers after it", async || load.tally().total() > before + 500).await;
    let tally = load.stop().await;
    let failed = tally.total() - tally.count(200);
    assert!(failed <= 8, "eight connections, one request each: {tally:?}");
    assert!(tally.broken.is_empty(), "a failure is an answer: {tally:?}");
    assert_eq!(tally.count(502) + tally.count(503), failed, "{tally:?}");
    until("a new second replica", async || forebay.replicas().len() == 2).await;
}

#[tokio::test]
async fn the_only_replica_comes_back_and_requests_wait_for_it() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    process::signal(forebay.replicas()[0], Signal::KILL);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}
