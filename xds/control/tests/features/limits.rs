//! Concurrency and time: what a revision allows is in its cluster.

use crate::text::cluster;
use crate::world::{Machine, service};

fn facts(spec: &str) -> String {
    let mut machine = Machine::new();
    let text = service("app").replace("{spec: {containers:", &format!("{{spec: {{{spec}, containers:"));
    machine.save("app.yaml", &text);
    assert_eq!(machine.lines, ["Service default/app created"]);
    cluster(machine.control.store(), "default/app-00001")
}

#[test]
fn container_concurrency() {
    assert!(facts("containerConcurrency: 1").contains("container_concurrency=1\n"));
}

#[test]
fn timeouts_are_in_milliseconds() {
    let facts = facts("timeoutSeconds: 60, responseStartTimeoutSeconds: 20, idleTimeoutSeconds: 5");
    for fact in ["timeout_ms=60000", "response_start_timeout_ms=20000", "idle_timeout_ms=5000"] {
        assert!(facts.lines().any(|line| line == fact), "{fact} in {facts}");
    }
}

#[test]
fn nobody_waits_longer_than_the_response_may_take_to_start() {
    assert!(facts("timeoutSeconds: 60").contains("wait_timeout_ms=60000\n"));
    assert!(facts("timeoutSeconds: 60, responseStartTimeoutSeconds: 20").contains("wait_timeout_ms=20000\n"));
}
