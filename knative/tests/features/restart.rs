//! A world that is written down and read back is the same world.

use forebay_knative::api::Kind;
use forebay_knative::world::Outcome;

use crate::stage::{Stage, named, service};

#[test]
fn revisions_survive_and_nothing_is_made_twice() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.ready("s-00001");
    stage.apply(&service("s", "i:2", ""));
    stage.ready("s-00002");
    stage.restart();
    assert!(stage.is_ready("s"));
    assert_eq!(stage.splits("s.default.localhost"), "s-00002 100");
    assert_eq!(
        stage.revisions.iter().collect::<Vec<_>>(),
        [(&"default/s-00001".to_owned(), &false), (&"default/s-00002".to_owned(), &true)]
    );
    assert_eq!(stage.apply(&service("s", "i:2", "")), Outcome::Unchanged);
    stage.apply(&service("s", "i:3", ""));
    stage.ready("s-00003");
    assert_eq!(stage.splits("s.default.localhost"), "s-00003 100");
}

#[test]
fn a_last_good_state_is_kept_too() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.ready("s-a");
    stage.apply(&named("s", "s-a", "i:1", "  traffic: [{revisionName: s-nope, percent: 100}]\n"));
    stage.restart();
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100");
    assert_eq!(
        stage.says(Kind::Route, "s", "AllTrafficAssigned"),
        "False RevisionMissing: Revision \"s-nope\" referenced in traffic not found."
    );
    stage.changes();
    assert!(stage.revisions["default/s-a"], "it serves");
}

#[test]
fn what_was_not_ready_starts_anew() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.failed("s-00001", "ExitCode1", "x");
    stage.restart();
    assert_eq!(stage.says(Kind::Revision, "s-00001", "Ready"), "Unknown Deploying");
    stage.ready("s-00001");
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 100");
}

#[test]
fn a_directory_that_lost_a_part_is_no_disaster() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.apply(&service("t", "i:1", ""));
    stage.ready("s-00001");
    stage.ready("t-00001");
    let whole = stage.world.snapshot();
    for lost in 0..whole.len() {
        let mut snapshot = whole.clone();
        snapshot.remove(lost);
        stage.restart_from(snapshot);
        stage.apply(&service("s", "i:1", ""));
        stage.apply(&service("t", "i:1", ""));
        stage.ready("s-00001");
        stage.ready("t-00001");
        assert_eq!(stage.splits("s.default.localhost"), "s-00001 100", "without {lost}");
        assert_eq!(stage.splits("t.default.localhost"), "t-00001 100", "without {lost}");
    }
}

#[test]
fn two_written_worlds_are_equal() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", "  traffic: [{percent: 100, tag: t}]\n"));
    stage.ready("s-00001");
    stage.apply("apiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata: {name: www.example.com}\nspec: {ref: {kind: Service, name: s, apiVersion: serving.knative.dev/v1}}\n");
    let first = serde_json::to_string(&stage.world.snapshot()).unwrap();
    stage.restart();
    assert_eq!(serde_json::to_string(&stage.world.snapshot()).unwrap(), first);
    assert_eq!(stage.splits("www.example.com"), "s 100");
}
