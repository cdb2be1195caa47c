//! Names, traffic targets, DomainMappings.

use crate::{said, traffic, with};

#[test]
fn names() {
    assert_eq!(
        with("  name: hello\n", "  labels: {}\n"),
        ["3: name or generateName is required: metadata.name"]
    );
    let faults = with("name: hello", "name: Hello_");
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].starts_with("4: not a DNS 1035 label: [a DNS-1035 label must consist of lower case"),
        "{faults:?}"
    );
    assert!(faults[0].ends_with(": metadata.name"), "{faults:?}");
    let long = "a".repeat(64);
    assert_eq!(
        with("name: hello", &format!("name: {long}")),
        ["4: not a DNS 1035 label: [must be no more than 63 characters]: metadata.name"]
    );
    assert_eq!(
        with("      annotations: {}", "      name: other-v1"),
        ["8: invalid value: \"other-v1\" must have prefix \"hello-\": spec.template.metadata.name"]
    );
    assert_eq!(
        with("  name: hello", "  generateName: hello-"),
        ["4: must not set the field(s): metadata.generateName"]
    );
}

#[test]
fn traffic_targets() {
    assert_eq!(
        traffic("  - {latestRevision: true, percent: 50}\n  - {revisionName: hello-a, percent: 40}\n"),
        ["12: Traffic targets sum to 90, want 100: spec.traffic"]
    );
    assert_eq!(
        traffic("  - {latestRevision: true, percent: 150}\n  - {revisionName: hello-a, percent: -50}\n"),
        [
            "14: expected 0 <= -50 <= 100: spec.traffic[1].percent",
            "13: expected 0 <= 150 <= 100: spec.traffic[0].percent"
        ]
    );
    assert_eq!(
        traffic("  - {latestRevision: true, revisionName: hello-a, percent: 100}\n"),
        [
            "13: may not set revisionName \"hello-a\" when latestRevision is true: spec.traffic[0].latestRevision"
        ]
    );
    assert_eq!(
        traffic("  - {latestRevision: false, percent: 100}\n"),
        ["13: may not set revisionName \"\" when latestRevision is false: spec.traffic[0].latestRevision"]
    );
    assert_eq!(
        traffic("  - {configurationName: x, percent: 100}\n"),
        ["13: must not set the field(s): spec.traffic[0].configurationName"]
    );
    assert_eq!(
        traffic("  - {tag: a, percent: 50}\n  - {tag: a, percent: 50}\n"),
        ["13: Multiple definitions for \"a\": spec.traffic[0].tag, spec.traffic[1].tag"]
    );
    assert!(traffic("  - {tag: A, percent: 100}\n")[0].contains("not a DNS 1035 label: [a DNS-1035"));
    assert_eq!(
        traffic("  - {url: http://x, percent: 100}\n"),
        ["13: must not set the field(s): spec.traffic[0].url"]
    );
    let long = "t".repeat(60);
    assert_eq!(
        traffic(&format!("  - {{tag: {long}, percent: 100}}\n")),
        [format!(
            "13: invalid value: \"{long}-hello\" must be no more than 63 characters: spec.traffic[0].tag"
        )]
    );
    let route = "apiVersion: serving.knative.dev/v1\nkind: Route\nmetadata: {name: r}\nspec:\n  traffic:\n  - percent: 100\n";
    assert_eq!(
        said(route),
        [
            "6: expected exactly one, got neither: spec.traffic[0].configurationName, spec.traffic[0].revisionName"
        ]
    );
}

#[test]
fn domain_mappings() {
    let mapping = |name: &str, spec: &str| {
        said(&format!(
            "apiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata:\n  name: {name}\nspec:\n{spec}"
        ))
    };
    let good = "  ref: {kind: Service, name: hello, apiVersion: serving.knative.dev/v1}\n";
    assert_eq!(mapping("www.example.com", good), Vec::<String>::new());
    assert_eq!(
        mapping("www.example.com", "  tls: {secretName: x}\n"),
        ["5: missing field(s): spec.ref.apiVersion, spec.ref.kind, spec.ref.name"]
    );
    assert_eq!(
        mapping("localhost", good),
        [
            "4: invalid name \"localhost\": name: Invalid value: \"localhost\": should be a domain with at least two segments separated by dots: metadata.name"
        ]
    );
    assert_eq!(
        mapping("a.b.svc.cluster.local", good),
        [
            "4: invalid name \"a.b.svc.cluster.local\": must not be a subdomain of cluster local domain \"cluster.local\": metadata.name"
        ]
    );
    assert_eq!(
        mapping("www.example.com", "  ref: {kind: Service, name: hello, apiVersion: v1}\n"),
        [
            "6: invalid value: Service of v1: spec.ref.kind (a domain can be mapped to a Service or Route of serving.knative.dev/v1)"
        ]
    );
    assert_eq!(
        mapping(
            "www.example.com",
            "  ref: {kind: Service, name: hello, apiVersion: serving.knative.dev/v1, namespace: other}\n"
        ),
        [
            "6: mismatched namespaces: spec.ref.namespace (parent namespace: \"default\" does not match ref: \"other\")"
        ]
    );
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec:
      containerConcurrency: 2000
      timeoutSeconds: 9000
      containers: [{args: [a]}]
  traffic: [{percent: 1}]
";
    assert_eq!(
        said(text),
        [
            "10: Traffic targets sum to 1, want 100: spec.traffic",
            "7: expected 0 <= 2000 <= 1000: spec.template.spec.containerConcurrency",
            "8: expected 0 <= 9000 <= 600: spec.template.spec.timeoutSeconds",
            "9: missing field(s): spec.template.spec.containers[0].image",
        ]
    );
}
