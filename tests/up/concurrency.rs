//! containerConcurrency is a promise to the app, kept across workers, replicas and connections.

use crate::support::forebay::Forebay;
use crate::support::load::Load;
use crate::support::manifest::hello;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn one_at_a_time_is_one_at_a_time() {
    let forebay = Forebay::up(|mark| hello(mark).concurrency(1).scaling("max-scale", "3").to_string()).await;
    Load::new(forebay.address, HOST, "/strict?ms=5", 50).run(1_000).await.assert_all_ok();
}

#[tokio::test]
async fn ten_at_a_time_are_at_most_ten() {
    let forebay = Forebay::up(|mark| hello(mark).concurrency(10).scaling("max-scale", "1").to_string()).await;
    Load::new(forebay.address, HOST, "/sleep?ms=5", 60).run(600).await.assert_all_ok();
    let seen = forebay.get(HOST, "/revision").await.json();
    let most = seen["maxConcurrency"].as_u64().unwrap();
    assert!((2..=10).contains(&most), "the app saw {most} at once");
}

#[tokio::test]
async fn a_full_app_gets_help_up_to_its_max_scale() {
    let forebay = Forebay::up(|mark| hello(mark).concurrency(1).scaling("max-scale", "2").to_string()).await;
    Load::new(forebay.address, HOST, "/strict?ms=50", 20).run(200).await.assert_all_ok();
    assert!((1..=2).contains(&forebay.replicas().len()), "{:?}", forebay.replicas());
}
