//! Nobody asks for a while: the replicas go. Somebody asks again: they come back.

use std::time::Duration;

use crate::support::forebay::Forebay;
use crate::support::manifest::hello;
use crate::support::until_within;

#[tokio::test]
async fn after_the_window_and_again_from_zero() {
    let forebay = Forebay::up(|mark| hello(mark).scaling("window", "6s").to_string()).await;
    for _ in 0..2 {
        assert_eq!(forebay.get("hello.default.localhost", "/").await.status, 200);
        assert_eq!(forebay.replicas().len(), 1);
        // Six seconds of window, and what Knative's clocks of two seconds and the grace may add.
        until_within(Duration::from_secs(45), "zero replicas", async || forebay.replicas().is_empty()).await;
    }
}

#[tokio::test]
async fn min_scale_keeps_its_replicas() {
    let forebay = Forebay::up(|mark| {
        hello(mark)
            .scaling("window", "6s")
            .scaling("initial-scale", "2")
            .scaling("min-scale", "2")
            .to_string()
    })
    .await;
    until_within(Duration::from_secs(20), "two replicas", async || forebay.replicas().len() == 2).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(forebay.replicas().len(), 2);
}

#[tokio::test]
async fn a_long_request_keeps_its_replica() {
    let forebay = Forebay::up(|mark| hello(mark).scaling("window", "6s").to_string()).await;
    let answer = forebay.get("hello.default.localhost", "/sleep?ms=12000").await;
    assert_eq!((answer.status, answer.text()), (200, "slept 12000 ms\n"));
}
