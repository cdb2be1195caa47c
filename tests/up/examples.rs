//! The examples in the repository do what their README says.

use std::fs;
use std::path::Path;

use crate::support::forebay::{Forebay, Setup, repository};
use crate::support::load::Load;

#[tokio::test]
async fn hello() {
    let forebay = example("hello").await;
    let answer = forebay.get("hello.default.localhost", "/").await;
    assert_eq!((answer.status, answer.text()), (200, "Hello Knative!\n"));
}

#[tokio::test]
async fn split() {
    let forebay = example("split").await;
    let tally = Load::new(forebay.address, "my-service.default.localhost", "/", 4).run(100).await;
    tally.assert_all_ok();
    assert!(tally.said("v1") > 20 && tally.said("v2") > 20, "{tally:?}");
}

#[tokio::test]
async fn canary() {
    let forebay = example("canary").await;
    assert_eq!(forebay.get("current-shop.default.localhost", "/").await.text(), "Hello current!\n");
    assert_eq!(forebay.get("candidate-shop.default.localhost", "/").await.text(), "Hello candidate!\n");
    let tally = Load::new(forebay.address, "shop.default.localhost", "/", 4).run(100).await;
    tally.assert_all_ok();
    assert!(tally.said("current") > 70, "{tally:?}");
}

#[tokio::test]
async fn limits() {
    let forebay = example("limits").await;
    Load::new(forebay.address, "one-at-a-time.default.localhost", "/strict", 20)
        .run(100)
        .await
        .assert_all_ok();
}

/// A copy of the example: a test must not watch the repository. `forebay` in a command is the one under test.
async fn example(name: &str) -> Forebay {
    let setup = Setup::new();
    copy(&repository().join("examples").join(name), &setup.manifests());
    setup.start().await
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
