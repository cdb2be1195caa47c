//! Many revisions at once: bounded, urgent ones first.

use forebay_local::{Event, ReplicaState, Urgency};

use crate::support::Site;

#[tokio::test]
async fn starts_are_bounded_and_those_with_waiting_requests_come_first() {
    let mut site = Site::with(|options| options.parallel_starts = 2).await;
    let keys: Vec<_> = (0..30).map(|n| site.run(&format!("r{n}"), 1, &["sleep", "20", "serve"])).collect();
    let urgent = keys.last().unwrap();
    site.platform.scale(urgent, 1, Urgency::Waiting);
    let mut order = Vec::new();
    while order.len() < keys.len() {
        let event = site
            .wait(|event| match event {
                Event::Started { key, .. } => Ok(Some(key)),
                Event::Ready { .. } => Ok(None),
                other => Err(other),
            })
            .await;
        order.extend(event);
        let statuses = site.platform.statuses().await;
        let starting =
            statuses.iter().flat_map(|s| &s.replicas).filter(|r| r.state == ReplicaState::Starting).count();
        assert!(starting <= 3, "two, and the urgent one: {starting}");
    }
    let place = order.iter().position(|key| key == urgent).unwrap();
    assert!(place <= 3, "it came {place} of {}", order.len());
}

#[tokio::test]
async fn slow_starters_do_not_keep_others_waiting_for_ever() {
    let mut site = Site::with(|options| options.parallel_starts = 1).await;
    site.run("slow", 1, &["hang"]);
    let quick = site.run("quick", 1, &["serve"]);
    let key = site
        .wait(|event| match event {
            Event::Ready { key, .. } => Ok(key),
            other => Err(other),
        })
        .await;
    assert_eq!(key, quick);
}
