//! Old revisions go, those in use stay.

use forebay_knative::world::Config;

use crate::stage::{Stage, named, service};

fn keeping(n: usize) -> Stage {
    Stage::with(Config { max_non_active_revisions: n, ..Config::default() })
}

fn names(stage: &mut Stage) -> Vec<String> {
    stage.changes();
    stage.revisions.keys().map(|key| key.trim_start_matches("default/").to_owned()).collect()
}

#[test]
fn the_oldest_that_nobody_leads_to_go_first() {
    let mut stage = keeping(2);
    for n in 1..=6 {
        stage.apply(&service("s", &format!("i:{n}"), ""));
        stage.ready(&format!("s-0000{n}"));
    }
    assert_eq!(names(&mut stage), ["s-00004", "s-00005", "s-00006"]);
}

#[test]
fn a_pinned_or_tagged_revision_stays() {
    let mut stage = keeping(0);
    let rest = "  traffic:\n  - {latestRevision: true, percent: 100}\n  - {revisionName: s-a, tag: old}\n";
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.ready("s-a");
    for n in 2..=4 {
        stage.apply(&service("s", &format!("i:{n}"), rest));
        stage.ready(&format!("s-0000{n}"));
    }
    assert_eq!(names(&mut stage), ["s-00004", "s-a"]);
}

#[test]
fn the_last_ready_one_stays_while_newer_ones_fail() {
    let mut stage = keeping(0);
    stage.apply(&service("s", "i:1", ""));
    stage.ready("s-00001");
    for n in 2..=4 {
        stage.apply(&service("s", &format!("i:{n}"), ""));
        stage.failed(&format!("s-0000{n}"), "ExitCode1", "x");
    }
    assert_eq!(names(&mut stage), ["s-00001", "s-00004"]);
    assert_eq!(stage.splits("s.default.localhost"), "s-00001 100");
}

#[test]
fn what_is_marked_is_kept() {
    let mut stage = keeping(0);
    let marked = service("s", "i:1", "").replace(
        "  template:\n",
        "  template:\n    metadata: {annotations: {serving.knative.dev/no-gc: 'true'}}\n",
    );
    stage.apply(&marked);
    for n in 2..=3 {
        stage.apply(&service("s", &format!("i:{n}"), ""));
        stage.ready(&format!("s-0000{n}"));
    }
    assert_eq!(names(&mut stage), ["s-00001", "s-00003"]);
}
