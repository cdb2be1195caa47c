//! Which revisions a Route leads to, or may once they are ready: the others need not be kept warm.

use crate::stage::{Stage, named, service};

#[test]
fn a_new_revision_is_reachable_before_it_is_ready() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.changes();
    assert!(stage.revisions["default/s-00001"]);
}

#[test]
fn a_replaced_revision_is_not() {
    let mut stage = Stage::new();
    stage.apply(&service("s", "i:1", ""));
    stage.ready("s-00001");
    stage.apply(&service("s", "i:2", ""));
    stage.changes();
    assert_eq!((stage.revisions["default/s-00001"], stage.revisions["default/s-00002"]), (true, true));
    stage.ready("s-00002");
    stage.changes();
    assert_eq!((stage.revisions["default/s-00001"], stage.revisions["default/s-00002"]), (false, true));
}

#[test]
fn a_tag_without_traffic_keeps_its_revision_reachable() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.ready("s-a");
    let rest = "  traffic:\n  - {latestRevision: true, percent: 100}\n  - {revisionName: s-a, tag: old}\n";
    stage.apply(&named("s", "s-b", "i:2", rest));
    stage.ready("s-b");
    stage.changes();
    assert!(stage.revisions["default/s-a"]);
    stage.apply(&named("s", "s-b", "i:2", ""));
    stage.changes();
    assert!(!stage.revisions["default/s-a"]);
}

#[test]
fn a_configuration_without_a_route_is_not_reachable() {
    let mut stage = Stage::new();
    stage.apply("apiVersion: serving.knative.dev/v1\nkind: Configuration\nmetadata: {name: c}\nspec: {template: {spec: {containers: [{image: i}]}}}\n");
    stage.changes();
    assert!(!stage.revisions["default/c-00001"]);
}

#[test]
fn a_change_names_only_what_changed() {
    let mut stage = Stage::new();
    for name in ["a", "b", "c"] {
        stage.apply(&service(name, "i:1", ""));
        stage.ready(&format!("{name}-00001"));
    }
    stage.changes();
    stage.apply(&service("b", "i:2", ""));
    let changes = stage.changes();
    assert_eq!(
        changes.revisions.iter().map(|change| change.key.to_string()).collect::<Vec<_>>(),
        ["default/b-00002"]
    );
    assert!(changes.ingresses.is_empty());
    assert!(changes.touched.iter().all(|(_, key)| key.name.starts_with('b')), "{:?}", changes.touched);
    stage.ready("b-00002");
    let changes = stage.changes();
    assert_eq!(changes.ingresses.len(), 1);
}
