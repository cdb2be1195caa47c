//! Knative's walkthrough: two revisions, half the requests each, many clients at once, from zero.

use crate::support::forebay::Forebay;
use crate::support::load::Load;
use crate::support::manifest::{documents, service};

#[tokio::test]
async fn ten_thousand_requests_from_zero_are_split_in_half() {
    let forebay = Forebay::up(|mark| {
        documents(&[
            service("my-service", mark).revision("my-service-v1"),
            service("my-service", mark).revision("my-service-v2").latest(50).to("my-service-v1", 50),
        ])
    })
    .await;
    let tally =
        Load::new(forebay.address, "my-service.default.127.0.0.1.sslip.io", "/", 200).run(10_000).await;
    tally.assert_all_ok();
    let first = tally.said("Hello my-service-v1!");
    assert_eq!(first + tally.said("Hello my-service-v2!"), 10_000);
    // Two points. By chance alone it would be missed once in 15,000 runs: four standard deviations.
    assert!((4_800..=5_200).contains(&first), "{first} of 10,000 went to the first revision");
}

#[tokio::test]
async fn a_tag_reaches_its_revision_without_a_share() {
    let forebay = Forebay::up(|mark| {
        documents(&[
            service("my-service", mark).revision("my-service-v1"),
            service("my-service", mark)
                .revision("my-service-v2")
                .to("my-service-v1", 100)
                .tagged("my-service-v2", "canary"),
        ])
    })
    .await;
    let main = Load::new(forebay.address, "my-service.default.localhost", "/", 2).run(20).await;
    assert_eq!(main.said("Hello my-service-v1!"), 20);
    let canary = forebay.get("canary-my-service.default.localhost", "/").await;
    assert_eq!(canary.text(), "Hello my-service-v2!\n");
}
