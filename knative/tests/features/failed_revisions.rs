//! A revision that does not get ready gets no traffic.

use forebay_knative::api::Kind;

use crate::stage::{Stage, named, service};

#[test]
fn a_failed_revision_leaves_the_last_ready_one_in_place() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.ready("hello-00001");
    stage.apply(&service("hello", "hello:2", ""));
    stage.failed("hello-00002", "ExitCode1", "it said: no such file");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
    assert_eq!(
        stage.says(Kind::Configuration, "hello", "Ready"),
        "False RevisionFailed: Revision \"hello-00002\" failed with message: it said: no such file."
    );
    assert_eq!(
        stage.says(Kind::Service, "hello", "Ready"),
        "False RevisionFailed: Revision \"hello-00002\" failed with message: it said: no such file."
    );
    assert_eq!(stage.says(Kind::Service, "hello", "RoutesReady"), "True");
    assert_eq!(stage.says(Kind::Revision, "hello-00002", "Ready"), "False ExitCode1: it said: no such file");

    stage.apply(&service("hello", "hello:3", ""));
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
    stage.ready("hello-00003");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00003 100");
    assert!(stage.is_ready("hello"));
}

#[test]
fn a_first_revision_that_fails_is_told_by_the_route() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.failed("hello-00001", "ContainerMissing", "no such command");
    assert_eq!(
        stage.says(Kind::Route, "hello", "Ready"),
        "False RevisionMissing: Configuration \"hello\" does not have any ready Revision."
    );
    assert_eq!(stage.splits("hello.default.localhost"), "");
}

#[test]
fn a_failed_revision_may_still_get_ready() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.failed("hello-00001", "ProgressDeadlineExceeded", "slow");
    stage.ready("hello-00001");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
    assert!(stage.is_ready("hello"));
}

#[test]
fn once_ready_stays_ready() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.ready("hello-00001");
    stage.changes();
    stage.failed("hello-00001", "ExitCode1", "crashed");
    assert!(stage.is_ready("hello"));
    let changes = stage.changes();
    assert_eq!(changes.notes.len(), 1, "people are told: {changes:?}");
    assert_eq!(changes.notes[0].message, "failed after it was ready, and stays in traffic: crashed");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
}

#[test]
fn readiness_out_of_order_ends_with_the_newest() {
    let mut stage = Stage::new();
    for image in ["i:1", "i:2", "i:3"] {
        stage.apply(&service("hello", image, ""));
    }
    stage.ready("hello-00003");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00003 100");
    stage.ready("hello-00002");
    stage.ready("hello-00001");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00003 100");
}

#[test]
fn while_the_newest_starts_the_next_newest_ready_one_serves() {
    let mut stage = Stage::new();
    for image in ["i:1", "i:2", "i:3"] {
        stage.apply(&service("hello", image, ""));
    }
    stage.ready("hello-00001");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
    stage.ready("hello-00002");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00002 100");
}

#[test]
fn going_back_to_a_named_revision_takes_it_as_the_latest() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.apply(&named("s", "s-b", "i:2", ""));
    stage.ready("s-a");
    stage.ready("s-b");
    assert_eq!(stage.splits("s.default.localhost"), "s-b 100");
    stage.apply(&named("s", "s-a", "i:1", ""));
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100");
    assert_eq!(stage.world.revisions().count(), 2);
}
