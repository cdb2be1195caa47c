//! A Route that cannot be resolved keeps its last good state and says which revision is missing.

use forebay_knative::api::Kind;

use crate::stage::{Stage, named, service};

fn to(revision: &str) -> String {
    format!(
        "  traffic:\n  - {{latestRevision: true, percent: 50}}\n  - {{revisionName: {revision}, percent: 50}}\n"
    )
}

#[test]
fn a_split_that_names_no_revision_changes_nothing() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    stage.changes();
    stage.apply(&service("hello", "i:1", &to("hello-nope")));
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
    let expected = "False RevisionMissing: Revision \"hello-nope\" referenced in traffic not found.";
    assert_eq!(stage.says(Kind::Route, "hello", "AllTrafficAssigned"), expected);
    assert_eq!(stage.says(Kind::Service, "hello", "RoutesReady"), expected);
    assert_eq!(stage.says(Kind::Route, "hello", "IngressReady"), "True");
}

#[test]
fn people_are_told_once() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    stage.changes();
    stage.apply(&service("hello", "i:1", &to("hello-nope")));
    let notes: Vec<String> = stage
        .changes()
        .notes
        .into_iter()
        .map(|note| format!("{} {}: {}", note.kind, note.key, note.message))
        .collect();
    assert_eq!(
        notes,
        [
            "Service default/hello: spec.traffic: Revision \"hello-nope\" referenced in traffic not found. Traffic stays as it was."
        ]
    );
    stage.apply(&service("hello, labels: {a: b}", "i:1", &to("hello-nope")));
    assert!(stage.changes().notes.is_empty());
}

#[test]
fn it_comes_right_when_the_revision_comes() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-a", "i:1", &to("s-b")));
    stage.ready("s-a");
    assert_eq!(stage.splits("s.default.localhost"), "");
    stage.apply(&named("s", "s-b", "i:2", &to("s-b")));
    assert_eq!(
        stage.says(Kind::Route, "s", "AllTrafficAssigned"),
        "Unknown RevisionMissing: Revision \"s-b\" is not yet ready."
    );
    stage.ready("s-b");
    assert_eq!(stage.splits("s.default.localhost"), "s-b 100");
    stage.apply(&named("s", "s-a", "i:1", &to("s-b")));
    assert_eq!(stage.splits("s.default.localhost"), "s-a 50, s-b 50");
}

#[test]
fn a_named_revision_that_failed_is_told_as_such() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.ready("s-a");
    stage.apply(&named("s", "s-b", "i:2", &to("s-a")));
    stage.failed("s-b", "ExitCode1", "x");
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100", "latest is still the ready one");
    stage.apply(&named("s", "s-c", "i:3", &to("s-b")));
    assert_eq!(
        stage.says(Kind::Route, "s", "AllTrafficAssigned"),
        "False RevisionMissing: Revision \"s-b\" failed to become ready."
    );
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100");
}

#[test]
fn a_service_cannot_lead_to_another_ones_revision() {
    let mut stage = Stage::new();
    stage.apply(&service("a", "i:1", ""));
    stage.ready("a-00001");
    stage.apply(&service("b", "i:1", &to("a-00001")));
    stage.ready("b-00001");
    assert_eq!(
        stage.says(Kind::Route, "b", "AllTrafficAssigned"),
        "False RevisionNotOwned: Revision \"a-00001\" belongs to Service \"a\", not Service \"b\"."
    );
}

#[test]
fn of_several_reasons_a_failure_is_told_before_what_may_come_right() {
    let mut stage = Stage::new();
    let rest = "  traffic:\n  - {latestRevision: true, percent: 50}\n  - {revisionName: s-x, percent: 25}\n  - {revisionName: s-y, percent: 25}\n";
    stage.apply(&named("s", "s-x", "i:1", rest));
    assert_eq!(
        stage.says(Kind::Route, "s", "Ready"),
        "False RevisionMissing: Revision \"s-y\" referenced in traffic not found."
    );
}
