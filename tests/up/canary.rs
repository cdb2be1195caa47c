//! Percentages edited and revisions rolled out while requests flow: no request notices.

use std::time::Duration;

use crate::support::forebay::{Forebay, Setup};
use crate::support::load::{Load, Tally};
use crate::support::manifest::{Service, documents, service};
use crate::support::until;

const HOST: &str = "my-service.default.localhost";

#[tokio::test]
async fn editing_percentages_under_load_fails_nothing() {
    let forebay = Forebay::up(|mark| pair(mark, 100).to_string()).await;
    let load = Load::new(forebay.address, HOST, "/", 8).start();
    for share in [90, 50, 10, 0] {
        until("some answers", answers(&load, 100)).await;
        forebay.save("app.yaml", pair(&forebay.mark(), share));
        until(format!("{share} % to the first revision"), async || {
            let now = Load::new(forebay.address, HOST, "/", 4).run(200).await;
            now.assert_all_ok();
            now.said("v1").abs_diff(2 * u64::from(share)) <= 24
        })
        .await;
    }
    load.stop().await.assert_all_ok();
}

#[tokio::test]
async fn rollouts_of_new_revisions_under_load_fail_nothing() {
    let one =
        |mark: &str, number: u32| service("my-service", mark).revision(&format!("my-service-r{number}"));
    let forebay = Forebay::up(|mark| one(mark, 0).to_string()).await;
    let load = Load::new(forebay.address, HOST, "/", 8).start();
    for number in 1..=5 {
        forebay.save("app.yaml", one(&forebay.mark(), number));
        until(format!("revision {number} to answer"), async || {
            forebay.get(HOST, "/").await.text() == format!("Hello my-service-r{number}!\n")
        })
        .await;
    }
    let tally = load.stop().await;
    tally.assert_all_ok();
    assert!(tally.bodies.len() >= 5, "the load saw the revisions come and go: {:?}", tally.bodies);
}

#[tokio::test]
async fn a_gradual_rollout_moves_traffic_step_by_step() {
    let one =
        |mark: &str, number: u32| service("my-service", mark).revision(&format!("my-service-r{number}"));
    let setup = Setup::new().arg("--rollout-duration").arg("6s");
    setup.save("app.yaml", one(&setup.mark(), 0));
    let forebay = setup.start().await;
    let load = Load::new(forebay.address, HOST, "/", 4).start();
    forebay.save("app.yaml", one(&forebay.mark(), 1));
    let share = async || Load::new(forebay.address, HOST, "/", 4).run(400).await.said("my-service-r1") / 4;
    // The first step is one percent, the last all; what lies between is what makes it gradual.
    let mut seen = Vec::new();
    until("all traffic to have moved", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen.push(share().await);
        seen.last() == Some(&100)
    })
    .await;
    assert!(seen.iter().any(|share| (15..=85).contains(share)), "shares on the way: {seen:?}");
    load.stop().await.assert_all_ok();
}

fn pair(mark: &str, first: u32) -> String {
    documents(&[
        service("my-service", mark).revision("my-service-v1"),
        split(service("my-service", mark).revision("my-service-v2"), first),
    ])
}

fn split(service: Service, first: u32) -> Service {
    service.latest(100 - first).to("my-service-v1", first)
}

fn answers(load: &crate::support::load::Running, more: u64) -> impl AsyncFnMut() -> bool + '_ {
    let wanted = load.tally().total() + more;
    async move || {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Tally::total(&load.tally()) >= wanted
    }
}
