//! Files are watched: what is saved is live, what is deleted is gone.

use std::fs;

use crate::support::forebay::Forebay;
use crate::support::manifest::{documents, hello, service};
use crate::support::until;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn a_saved_change_is_live() {
    let forebay = Forebay::up(|mark| hello(mark).env("TARGET", "before").to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.text(), "Hello before!\n");
    forebay.save("app.yaml", hello(&forebay.mark()).env("TARGET", "after"));
    until("the new text", async || forebay.get(HOST, "/").await.text() == "Hello after!\n").await;
}

#[tokio::test]
async fn a_change_written_in_place_is_live_too() {
    let forebay = Forebay::up(|mark| hello(mark).env("TARGET", "before").to_string()).await;
    let text = hello(&forebay.mark()).env("TARGET", "after").to_string();
    fs::write(forebay.manifests().join("app.yaml"), text).unwrap();
    until("the new text", async || forebay.get(HOST, "/").await.text() == "Hello after!\n").await;
}

#[tokio::test]
async fn documents_and_files_come_and_go() {
    let forebay = Forebay::up(|mark| documents(&[hello(mark), service("second", mark)])).await;
    assert_eq!(forebay.get("second.default.localhost", "/").await.status, 200);
    forebay.save("app.yaml", hello(&forebay.mark()));
    until("the deleted document to be gone", async || {
        forebay.get("second.default.localhost", "/").await.status == 404
    })
    .await;
    forebay.save("more.json", r#"{"apiVersion":"v1","kind":"List","items":[]}"#);
    forebay.save("third.yaml", service("third", &forebay.mark()));
    until("a new file", async || forebay.get("third.default.localhost", "/").await.status == 200).await;
    forebay.delete("third.yaml");
    until("the deleted file to be gone", async || {
        forebay.get("third.default.localhost", "/").await.status == 404
    })
    .await;
    until("only hello's replicas, if any", async || forebay.replicas().len() <= 1).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
}
