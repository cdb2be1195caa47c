//! Many wait for an app that takes its time: all are answered, in the end at once.

use crate::support::forebay::Forebay;
use crate::support::load::Load;
use crate::support::manifest::hello;

#[tokio::test]
async fn five_hundred_wait_for_an_app_that_starts_in_two_seconds() {
    let forebay =
        Forebay::up(|mark| hello(mark).env("START_DELAY_MS", "2000").scaling("max-scale", "1").to_string())
            .await;
    let tally = Load::new(forebay.address, "hello.default.localhost", "/", 500).run(500).await;
    tally.assert_all_ok();
    assert_eq!(tally.count(200), 500);
    assert!(tally.slowest.as_secs() >= 2, "they did wait: {:?}", tally.slowest);
}
