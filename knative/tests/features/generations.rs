//! Generations count changes of a spec; resource versions only grow.

use forebay_knative::api::Kind;
use forebay_knative::world::Outcome;

use crate::stage::{Stage, key, service};

fn stored(stage: &Stage, kind: Kind, name: &str) -> serde_json::Value {
    let stored = serde_json::to_value(stage.world.stored(kind, &key(name)).unwrap()).unwrap();
    let record = stored.as_object().unwrap().values().next().unwrap().clone();
    record.get("object").unwrap_or(&record).get("metadata").unwrap().clone()
}

fn generation(stage: &Stage, kind: Kind, name: &str) -> u64 {
    stored(stage, kind, name)["generation"].as_u64().unwrap()
}

#[test]
fn a_label_changes_no_generation() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    let before = stored(&stage, Kind::Service, "hello");
    assert_eq!(stage.apply(&service("hello, labels: {a: b}", "i:1", "")), Outcome::Configured);
    let after = stored(&stage, Kind::Service, "hello");
    assert_eq!((before["generation"].as_u64(), after["generation"].as_u64()), (Some(1), Some(1)));
    assert_eq!(before["uid"], after["uid"]);
    assert!(after["resourceVersion"].as_u64() > before["resourceVersion"].as_u64());
    assert_eq!(after["labels"]["a"], "b");
    assert_eq!(stage.world.revisions().count(), 1);
}

#[test]
fn traffic_moves_the_route_and_a_template_the_configuration() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.apply(&service("hello", "i:1", "  traffic: [{percent: 100, tag: t}]\n"));
    let generations = |stage: &Stage| {
        [Kind::Service, Kind::Configuration, Kind::Route].map(|kind| generation(stage, kind, "hello"))
    };
    assert_eq!(generations(&stage), [2, 1, 2]);
    stage.apply(&service("hello", "i:2", "  traffic: [{percent: 100, tag: t}]\n"));
    assert_eq!(generations(&stage), [3, 2, 2]);
}

#[test]
fn defaults_written_out_are_no_change() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    let explicit = "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello, namespace: default}
spec:
  template:
    spec:
      containerConcurrency: 0
      timeoutSeconds: 300
      containers: [{name: user-container, image: 'i:1', readinessProbe: {successThreshold: 1, tcpSocket: {port: 0}}}]
  traffic: [{latestRevision: true, percent: 100}]
";
    assert_eq!(stage.apply(explicit), Outcome::Unchanged);
}

#[test]
fn another_life_has_another_uid() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    let first = stored(&stage, Kind::Service, "hello")["uid"].clone();
    stage.delete(Kind::Service, "hello");
    stage.apply(&service("hello", "i:1", ""));
    assert_ne!(stored(&stage, Kind::Service, "hello")["uid"], first);
}
