//! The waiting room is bounded in places and in time, says so, and forgets who leaves.

use std::time::Duration;

use crate::support::forebay::{Forebay, Setup};
use crate::support::h1::{Connection, Response};
use crate::support::manifest::hello;
use crate::support::until;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn a_full_room_refuses_and_says_what_when_and_why() {
    let forebay = slow(&["--max-waiting=3"]).await;
    let waiting = fill(&forebay, 3).await;
    let mut refused = None;
    until("a refusal", async || {
        let mut one = asking(&forebay).await;
        if one.is_silent(Duration::from_millis(100)).await {
            return false;
        }
        refused = one.response().await.ok();
        true
    })
    .await;
    let refused = refused.unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");
    let seconds = refused.header("retry-after").expect("when to come back");
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
    assert!(refused.header("content-type").unwrap_or_default().contains("json"), "{refused:?}");
    tells(&refused, "too many requests wait for this revision");
    drop(waiting);
}

#[tokio::test]
async fn who_leaves_frees_the_place_at_once() {
    let forebay = slow(&["--max-waiting=2"]).await;
    let mut waiting = fill(&forebay, 2).await;
    until("the room is full", async || {
        let mut one = asking(&forebay).await;
        !one.is_silent(Duration::from_millis(100)).await
    })
    .await;
    drop(waiting.pop());
    until("a place is free", async || {
        let mut one = asking(&forebay).await;
        one.is_silent(Duration::from_millis(300)).await
    })
    .await;
}

#[tokio::test]
async fn who_waits_too_long_gets_a_504_that_names_the_clock() {
    let forebay = slow(&["--wait-timeout=1s"]).await;
    let answer = forebay.get(HOST, "/").await;
    assert_eq!(answer.status, 504, "{answer:?}");
    tells(&answer, "no replica became free in time");
    let error = &answer.json()["error"];
    assert_eq!(error["clock"], "waitTimeout", "{error}");
    assert!(error["afterMs"].as_u64().is_some_and(|after| after >= 1_000), "{error}");
}

/// Revision and cause.
#[track_caller]
fn tells(answer: &Response, cause: &str) {
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["revision"], &error["cause"]),
        (&"default/hello-00001".into(), &cause.into()),
        "{error}"
    );
}

/// A forebay whose app does not listen for a minute.
async fn slow(words: &[&str]) -> Forebay {
    let mut setup = Setup::new();
    let app = hello(&setup.mark()).env("START_DELAY_MS", "60000").scaling("max-scale", "1");
    setup.save("app.yaml", app);
    for word in words {
        setup = setup.arg(*word);
    }
    setup.start().await
}

async fn asking(forebay: &Forebay) -> Connection {
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    connection
}

async fn fill(forebay: &Forebay, count: usize) -> Vec<Connection> {
    let mut waiting = Vec::new();
    for _ in 0..count {
        waiting.push(asking(forebay).await);
    }
    // A newcomer before all of them are in would take a place that is theirs.
    until("all of them to wait", async || {
        forebay.page("/clusters").await.text().contains(&format!("forebay_waiting::{count}"))
    })
    .await;
    waiting
}
