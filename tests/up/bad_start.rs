//! What makes a start impossible is said in one line, with exit code 1, before anything runs.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::support::FOREBAY;
use crate::support::forebay::{Refused, Setup};
use crate::support::manifest::hello;

#[tokio::test]
async fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--admin-port"] {
        let setup = with_app(Setup::new().arg(format!("{flag}={port}")));
        says(&setup.refused().await, &[&port, "in use"]);
    }
}

#[tokio::test]
async fn a_state_directory_that_is_a_file_or_cannot_be_written() {
    let setup = with_app(Setup::new());
    let file = setup.manifests().with_file_name("a-file");
    fs::write(&file, "").unwrap();
    let setup = setup.arg(format!("--state={}/below", file.display()));
    says(&setup.refused().await, &["a-file", "state"]);
}

#[tokio::test]
async fn a_file_that_is_not_there() {
    let setup = with_app(Setup::new().arg("/nowhere/app.yaml"));
    says(&setup.refused().await, &["/nowhere/app.yaml"]);
}

#[tokio::test]
async fn a_second_forebay_on_the_same_state() {
    let setup = with_app(Setup::new());
    let state = setup.state();
    let first = setup.start().await;
    let second = with_app(Setup::new().arg(format!("--state={}", state.display())));
    says(&second.refused().await, &["state"]);
    assert_eq!(first.get("hello.default.localhost", "/").await.status, 200);
}

#[test]
fn words_that_mean_nothing() {
    for (words, said) in [
        (&["up"][..], "FILES"),
        (&["up", "app.yaml", "--port", "eighty"], "eighty"),
        (&["up", "app.yaml", "--image", "hello"], "IMAGE=COMMAND"),
        (&["up", "app.yaml", "--such-flag"], "--such-flag"),
        (&["sample", "goodbye"], "hello"),
        (&["explain", "http:///"], "host"),
    ] {
        let output = Command::new(FOREBAY).args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{words:?} should say {said}: {text}");
    }
    let version = Command::new(FOREBAY).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("forebay "));
}

fn with_app(setup: Setup) -> Setup {
    let app = hello(&setup.mark());
    setup.save("app.yaml", app);
    setup
}

#[track_caller]
fn says(refused: &Refused, words: &[&str]) {
    assert_eq!(refused.status.code(), Some(1), "{}", refused.said);
    let fits = |line: &str| words.iter().all(|word| line.to_lowercase().contains(&word.to_lowercase()));
    assert!(refused.said.lines().any(fits), "no line with all of {words:?}:\n{}", refused.said);
}
