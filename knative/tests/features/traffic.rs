//! Where requests to a Service's own hosts go.

use forebay_knative::api::Kind;
use forebay_knative::world::Outcome;

use crate::stage::{Stage, key, named, service};

#[test]
fn a_service_without_traffic_follows_its_latest_ready_revision() {
    let mut stage = Stage::new();
    assert_eq!(stage.apply(&service("hello", "hello:1", "")), Outcome::Created);
    assert_eq!(stage.splits("hello.default.localhost"), "");
    assert_eq!(
        stage.says(Kind::Service, "hello", "Ready"),
        "Unknown RevisionMissing: Configuration \"hello\" is waiting for a Revision to become ready."
    );

    stage.ready("hello-00001");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100");
    assert_eq!(stage.splits("hello.default.127.0.0.1.sslip.io"), "hello-00001 100");
    assert_eq!(stage.splits("hello.default.svc.cluster.local"), "hello-00001 100");
    assert!(stage.is_ready("hello"));

    stage.apply(&service("hello", "hello:2", ""));
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00001 100", "the new one is not ready yet");
    stage.ready("hello-00002");
    assert_eq!(stage.splits("hello.default.localhost"), "hello-00002 100");
}

/// The walkthrough of the issue: documents of one Service in one file make two revisions.
#[test]
fn documents_are_applied_in_order_and_share_by_percent() {
    let mut stage = Stage::new();
    let split = "  traffic:\n  - {latestRevision: true, percent: 50}\n  - {revisionName: my-service-v1, percent: 50}\n";
    let text = [
        named("my-service", "my-service-v1", "example.com/hello:1", ""),
        named("my-service", "my-service-v2", "example.com/hello:2", split),
    ]
    .join("---\n");
    stage.apply(&text);
    let names: Vec<String> = stage.world.revisions().map(|(key, ..)| key.name.to_string()).collect();
    assert_eq!(names, ["my-service-v1", "my-service-v2"]);
    stage.ready("my-service-v2");
    assert_eq!(stage.splits("my-service.default.localhost"), "", "v1 is not ready yet");
    stage.ready("my-service-v1");
    assert_eq!(stage.splits("my-service.default.localhost"), "my-service-v2 50, my-service-v1 50");
}

#[test]
fn editing_percentages_makes_no_revision() {
    let mut stage = Stage::new();
    stage.apply(&named("s", "s-a", "i:1", ""));
    stage.apply(&named("s", "s-b", "i:2", ""));
    stage.ready("s-a");
    stage.ready("s-b");
    for (a, b, expected) in
        [(90, 10, "s-a 90, s-b 10"), (10, 90, "s-a 10, s-b 90"), (0, 100, "s-b 100"), (100, 0, "s-a 100")]
    {
        let rest = format!(
            "  traffic:\n  - {{revisionName: s-a, percent: {a}}}\n  - {{revisionName: s-b, percent: {b}}}\n"
        );
        assert_eq!(stage.apply(&named("s", "s-b", "i:2", &rest)), Outcome::Configured);
        assert_eq!(stage.splits("s.default.localhost"), expected);
    }
    assert_eq!(stage.world.revisions().count(), 2);
}

#[test]
fn the_same_revision_named_twice_is_one_share() {
    let mut stage = Stage::new();
    let rest = "  traffic:\n  - {latestRevision: true, percent: 30}\n  - {revisionName: s-a, percent: 70}\n";
    stage.apply(&named("s", "s-a", "i:1", rest));
    stage.ready("s-a");
    assert_eq!(stage.splits("s.default.localhost"), "s-a 100");
}

#[test]
fn an_equal_manifest_changes_nothing() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.ready("hello-00001");
    stage.changes();
    assert_eq!(stage.apply(&service("hello", "hello:1", "")), Outcome::Unchanged);
    let changes = stage.changes();
    assert!(
        changes.ingresses.is_empty() && changes.revisions.is_empty() && changes.touched.is_empty(),
        "{changes:?}"
    );
}

#[test]
fn deleting_a_service_deletes_all_it_owns() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.apply(&service("other", "hello:1", ""));
    stage.ready("hello-00001");
    stage.ready("other-00001");
    stage.changes();
    assert!(!stage.delete(Kind::Route, "hello"), "it belongs to the Service");
    assert!(!stage.delete(Kind::Configuration, "hello"), "it belongs to the Service");
    assert!(!stage.delete(Kind::Revision, "hello-00001"), "it belongs to the Service");
    assert!(stage.delete(Kind::Service, "hello"));
    assert!(!stage.delete(Kind::Service, "hello"), "it is gone already");
    assert_eq!(stage.splits("hello.default.localhost"), "");
    assert_eq!(stage.revisions.keys().collect::<Vec<_>>(), ["default/other-00001"]);
    assert!(stage.world.conditions(Kind::Route, &key("hello")).is_empty());
}

#[test]
fn a_service_made_again_begins_anew() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.ready("hello-00001");
    stage.apply(&service("hello", "hello:2", ""));
    stage.delete(Kind::Service, "hello");
    stage.apply(&service("hello", "hello:3", ""));
    stage.changes();
    assert_eq!(stage.revisions.keys().collect::<Vec<_>>(), ["default/hello-00001"]);
    assert!(!stage.is_ready("hello"));
}

#[test]
fn namespaces_keep_equal_names_apart() {
    let mut stage = Stage::new();
    stage.apply(&service("hello, namespace: a", "hello:1", ""));
    stage.apply(&service("hello, namespace: b", "hello:2", ""));
    stage.ready("a/hello-00001");
    assert_eq!(stage.splits("hello.a.localhost"), "hello-00001 100");
    assert_eq!(stage.splits("hello.b.localhost"), "");
}

#[test]
fn the_screen_sees_url_and_shares() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "hello:1", ""));
    stage.ready("hello-00001");
    let view = stage.world.services().next().unwrap();
    assert_eq!(view.url, "http://hello.default.localhost");
    assert_eq!(
        (view.latest_created.as_deref(), view.latest_ready.as_deref()),
        (Some("hello-00001"), Some("hello-00001"))
    );
    assert_eq!(view.traffic.len(), 1);
    assert_eq!(
        (&*view.traffic[0].revision, view.traffic[0].percent, view.traffic[0].latest),
        ("hello-00001", 100, true)
    );
}
