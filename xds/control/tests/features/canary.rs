//! Shares of traffic: blue and green, canaries, revisions that never get ready.

use crate::text::{cluster, endpoints, host};
use crate::world::{Machine, service};

const V1: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: my-service}
spec:
  template:
    metadata: {name: my-service-v1}
    spec: {containers: [{image: example.com/hello:1, ports: [{containerPort: 8080}]}]}
";

const V2: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: my-service}
spec:
  template:
    metadata: {name: my-service-v2}
    spec: {containers: [{image: example.com/hello:2, ports: [{containerPort: 8080}]}]}
  traffic:
  - {latestRevision: true, percent: 50}
  - {revisionName: my-service-v1, percent: 50}
";

fn splits(machine: &Machine) -> Vec<String> {
    let text = host(machine.control.store(), "services/default.my-service");
    let splits = text.lines().filter(|line| line.starts_with("  "));
    splits.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn two_documents_of_one_service_make_two_revisions() {
    let mut machine = Machine::new();
    machine.save("split.yaml", &format!("{V1}---\n{V2}"));
    machine.ready("my-service-v1");
    machine.ready("my-service-v2");
    assert_eq!(splits(&machine), ["50 default/my-service-v2", "50 default/my-service-v1"]);
}

#[test]
fn editing_the_second_document_does_not_apply_the_first_again() {
    let mut machine = Machine::new();
    machine.save("split.yaml", &format!("{V1}---\n{V2}"));
    machine.ready("my-service-v1");
    machine.ready("my-service-v2");
    let canary = V2.replacen("percent: 50", "percent: 10", 1).replacen("percent: 50", "percent: 90", 1);
    let work = machine.save("split.yaml", &format!("{V1}---\n{canary}"));
    assert_eq!(
        machine.lines,
        [
            "Service default/my-service configured",
            "Service default/my-service: traffic: my-service-v2 10%, my-service-v1 90%",
        ]
    );
    assert!(work.runs.is_empty(), "no revision is new: {:?}", work.runs);
    assert_eq!(splits(&machine), ["10 default/my-service-v2", "90 default/my-service-v1"]);
}

#[test]
fn a_revision_that_fails_gets_no_traffic() {
    let mut machine = Machine::new();
    machine.save("hello.yaml", &service("hello"));
    machine.ready("hello-00001");
    machine.save("hello.yaml", &service("hello").replace("example.com/hello", "example.com/hello:broken"));
    assert_eq!(endpoints(machine.control.store(), "default/hello-00002"), "empty");
    machine.failed("hello-00002");
    assert!(
        machine.lines.iter().any(|line| line.contains("ExitCode1: it ends at once")),
        "{:?}",
        machine.lines
    );
    let text = host(machine.control.store(), "services/default.hello");
    assert!(text.contains("100 default/hello-00001 ") && !text.contains("hello-00002"), "{text}");
    machine.ready("hello-00002");
    assert!(host(machine.control.store(), "services/default.hello").contains("100 default/hello-00002 "));
}

#[test]
fn a_split_that_names_no_revision_leaves_the_route_as_it_was() {
    let mut machine = Machine::new();
    machine.save("split.yaml", V1);
    machine.ready("my-service-v1");
    let before = host(machine.control.store(), "services/default.my-service");
    machine.save("split.yaml", &V2.replace("my-service-v1", "my-service-v9"));
    assert_eq!(host(machine.control.store(), "services/default.my-service"), before);
    assert_ne!(
        cluster(machine.control.store(), "default/my-service-v2"),
        "none",
        "the revision is made all the same"
    );
}

#[test]
fn percentages_have_to_add_up() {
    let mut machine = Machine::new();
    machine.save("split.yaml", V1);
    machine.ready("my-service-v1");
    let before = host(machine.control.store(), "services/default.my-service");
    machine.save("split.yaml", &V2.replacen("50", "60", 1));
    let [line] = &machine.lines[..] else { panic!("{:?}", machine.lines) };
    assert!(line.starts_with("split.yaml:8: Service default/my-service: "), "{line}");
    assert!(line.contains("Traffic targets sum to 110, want 100"), "{line}");
    assert_eq!(host(machine.control.store(), "services/default.my-service"), before);
}
