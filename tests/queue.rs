//! `forebay queue-proxy` as a program: what it says of a bad environment, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::process::{Command, Output, Stdio};

const GOOD: [(&str, &str); 14] = [
    ("SERVING_NAMESPACE", "default"),
    ("SERVING_CONFIGURATION", "hello"),
    ("SERVING_REVISION", "hello-00001"),
    ("SERVING_POD", "hello-00001-x"),
    ("SERVING_POD_IP", "10.0.0.1"),
    ("QUEUE_SERVING_PORT", "8012"),
    ("QUEUE_SERVING_TLS_PORT", "8112"),
    ("USER_PORT", "8080"),
    ("CONTAINER_CONCURRENCY", "0"),
    ("REVISION_TIMEOUT_SECONDS", "300"),
    ("SERVING_LOGGING_CONFIG", ""),
    ("SERVING_LOGGING_LEVEL", ""),
    ("FOREBAY_QUEUE_ADDRESS", "127.0.0.1"),
    ("FOREBAY_QUEUE_ADMIN_PORT", "0"),
];

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command.arg("queue-proxy").env_clear().envs(GOOD).stdin(Stdio::null());
    command
}

fn refused(output: &Output, name: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(name), "{name}: {said}");
}

#[test]
fn a_bad_environment_ends_it_with_1_and_the_variables_name() {
    for (name, _) in GOOD.iter().filter(|(name, _)| !name.starts_with("FOREBAY")) {
        refused(&command().env_remove(name).output().unwrap(), name);
    }
    for (name, value) in [
        ("CONTAINER_CONCURRENCY", "many"),
        ("USER_PORT", "http"),
        ("SERVING_READINESS_PROBE", "{"),
        ("OBSERVABILITY_CONFIG", "["),
        ("ENABLE_MULTI_CONTAINER_PROBES", "maybe"),
    ] {
        refused(&command().env(name, value).output().unwrap(), name);
    }
}

#[test]
fn a_port_in_use_ends_it_with_1_and_the_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for name in ["QUEUE_SERVING_PORT", "FOREBAY_QUEUE_ADMIN_PORT", "FOREBAY_QUEUE_STATS_PORT"] {
        // The others are any that are free: the first that cannot be had is told.
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = command();
        command.env("QUEUE_SERVING_PORT", &free).env("FOREBAY_QUEUE_STATS_PORT", "0").env(name, &port);
        refused(&command.output().unwrap(), &port);
    }
}
