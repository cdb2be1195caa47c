//! A new latest revision takes over in steps.

use forebay_knative::api::Kind;

use crate::stage::{Stage, service};

fn gradual(image: &str, seconds: u64, rest: &str) -> String {
    service(&format!("s, annotations: {{serving.knative.dev/rollout-duration: {seconds}s}}"), image, rest)
}

fn begun(seconds: u64) -> Stage {
    let mut stage = Stage::new();
    stage.apply(&gradual("i:1", seconds, ""));
    stage.ready("s-00001");
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 100", "nothing to take over from");
    assert_eq!(stage.wait(0), None);
    stage.apply(&gradual("i:2", seconds, ""));
    stage.ready("s-00002");
    stage
}

#[test]
fn the_new_revision_begins_with_one_percent_and_ends_with_all() {
    let mut stage = begun(5);
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 99, s-00002 1");
    assert_eq!(
        stage.says(Kind::Route, "s", "Ready"),
        "Unknown RolloutInProgress: A gradual rollout of the latest revision(s) is in progress."
    );
    let mut seen = Vec::new();
    while let Some(seconds) = stage.wait(0) {
        stage.wait(seconds);
        seen.push(stage.splits("s.default.localhost"));
    }
    assert_eq!(
        seen,
        ["s-00001 74, s-00002 26", "s-00001 49, s-00002 51", "s-00001 24, s-00002 76", "s-00002 100",]
    );
    assert!(stage.is_ready("s"));
}

#[test]
fn without_a_duration_it_is_at_once() {
    let mut stage = begun(0);
    assert_eq!(stage.splits("s.default.localhost"), "s-00002 100");
    assert_eq!(stage.wait(0), None);
}

#[test]
fn a_third_revision_stacks_and_the_newest_gives() {
    let mut stage = begun(5);
    stage.wait(1);
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 74, s-00002 26");
    stage.apply(&gradual("i:3", 5, ""));
    stage.ready("s-00003");
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 74, s-00002 25, s-00003 1");
    stage.wait(1);
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 74, s-00003 26");
}

#[test]
fn both_revisions_stay_reachable_until_it_is_over() {
    let mut stage = begun(5);
    stage.changes();
    assert!(stage.revisions["default/s-00001"]);
    for _ in 0..4 {
        stage.wait(1);
    }
    stage.changes();
    assert_eq!((stage.revisions["default/s-00001"], stage.revisions["default/s-00002"]), (false, true));
}

#[test]
fn only_the_latest_share_is_rolled_out() {
    let mut stage = Stage::new();
    let rest =
        "  traffic:\n  - {latestRevision: true, percent: 50}\n  - {revisionName: s-00001, percent: 50}\n";
    stage.apply(&gradual("i:1", 5, ""));
    stage.ready("s-00001");
    stage.apply(&gradual("i:2", 0, ""));
    stage.ready("s-00002");
    stage.apply(&gradual("i:2", 5, rest));
    assert_eq!(stage.splits("s.default.localhost"), "s-00002 50, s-00001 50");
    stage.apply(&gradual("i:3", 5, rest));
    stage.ready("s-00003");
    assert_eq!(stage.splits("s.default.localhost"), "s-00002 49, s-00003 1, s-00001 50");
}

#[test]
fn it_goes_on_after_a_restart() {
    let mut stage = begun(5);
    stage.wait(1);
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 74, s-00002 26");
    stage.restart();
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 74, s-00002 26");
    stage.wait(1);
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 49, s-00002 51");
}

#[test]
fn the_state_is_told_in_knatives_annotation() {
    let mut stage = begun(5);
    stage.changes();
    let annotations = &stage.ingresses["default/s"].annotations;
    assert_eq!(
        annotations.get("networking.internal.knative.dev/rollout").unwrap(),
        r#"{"configurations":[{"configurationName":"s","percent":100,"revisions":[{"revisionName":"s-00001","percent":99},{"revisionName":"s-00002","percent":1}],"stepParams":{"starttime":1000000000000000000,"nextStepTime":1000000001000000000,"stepDuration":1000000000,"stepSize":25}}]}"#
    );
}

#[test]
fn a_deleted_service_steps_no_more() {
    let mut stage = begun(5);
    stage.delete(Kind::Service, "s");
    assert_eq!(stage.wait(10), None);
}
