//! What is refused, in the words of Knative's webhook, with the paths and lines of the fields.

use std::time::SystemTime;

use forebay_knative::world::Config;
use forebay_knative::{World, manifest};

const BASE: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
spec:
  template:
    metadata:
      annotations: {}
    spec:
      containers:
      - image: hello:1
";

/// All that is said of the last document, a line each, with the line of the first path in front.
fn said(text: &str) -> Vec<String> {
    let mut world = World::new(Config::default());
    let mut said = Vec::new();
    for document in manifest::parse(text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}")) {
        said = match world.apply(document.object, SystemTime::UNIX_EPOCH) {
            Ok(applied) => applied.warnings.iter().map(|warning| format!("warning: {warning}")).collect(),
            Err(invalid) => invalid
                .0
                .iter()
                .map(|error| format!("{}: {error}", manifest::locate(text, document.index, &error.paths[0])))
                .collect(),
        };
    }
    said
}

/// With one line changed.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(BASE.contains(from));
    said(&BASE.replace(from, to))
}

fn spec(lines: &str) -> Vec<String> {
    with("    spec:\n", &format!("    spec:\n{lines}"))
}

fn container(lines: &str) -> Vec<String> {
    with("image: hello:1", &format!("image: hello:1\n{lines}"))
}

fn traffic(lines: &str) -> Vec<String> {
    said(&format!("{BASE}  traffic:\n{lines}"))
}

fn annotation(key: &str, value: &str) -> Vec<String> {
    with("annotations: {}", &format!("annotations:\n        {key}: {value:?}"))
}

#[test]
fn a_plain_service_is_fine() {
    assert_eq!(said(BASE), Vec::<String>::new());
}

#[test]
fn containers() {
    assert_eq!(
        with("      containers:\n      - image: hello:1\n", ""),
        ["9: missing field(s): spec.template.spec.containers"]
    );
    assert_eq!(
        with("image: hello:1", "args: [a]"),
        ["11: missing field(s): spec.template.spec.containers[0].image"]
    );
    assert_eq!(
        with("image: hello:1", "image: 'a b'"),
        [
            "11: Failed to parse image reference: spec.template.spec.containers[0].image (image: \"a b\", error: could not parse reference: a b)"
        ]
    );
    assert_eq!(
        container("        name: queue-proxy"),
        ["12: \"queue-proxy\" is a reserved container name: spec.template.spec.containers[0].name"]
    );
    assert_eq!(
        container("      - image: sidecar"),
        ["10: missing field(s): spec.template.spec.containers[*].ports"]
    );
    assert_eq!(
        container(
            "        ports: [{containerPort: 1}]\n      - image: sidecar\n        ports: [{containerPort: 2}]"
        ),
        [
            "10: more than one container port is set: spec.template.spec.containers[*].ports (Only a single port is allowed across all containers)"
        ]
    );
    assert_eq!(
        container("        ports: [{containerPort: 1}]\n      - image: sidecar"),
        Vec::<String>::new()
    );
}

#[test]
fn ports() {
    for (port, expected) in [
        (
            "{containerPort: 8012}",
            "12: invalid value: 8012 is a reserved port: spec.template.spec.containers[0].ports.containerPort (8012 is a reserved port, please use a different value)",
        ),
        (
            "{containerPort: 70000}",
            "12: expected 0 <= 70000 <= 65535: spec.template.spec.containers[0].ports.containerPort",
        ),
        (
            "{name: grpc, containerPort: 1}",
            "12: Port name grpc is not allowed: spec.template.spec.containers[0].ports (Name must be empty, or one of: 'h2c', 'http1')",
        ),
        (
            "{protocol: UDP, containerPort: 1}",
            "12: invalid value: UDP: spec.template.spec.containers[0].ports.protocol",
        ),
    ] {
        assert_eq!(container(&format!("        ports: [{port}]")), [expected]);
    }
}

#[test]
fn variables() {
    assert_eq!(
        container("        env: [{name: K_SERVICE, value: x}]"),
        [
            "12: \"K_SERVICE\" is a reserved environment variable: spec.template.spec.containers[0].env[0].name"
        ]
    );
    assert_eq!(
        container("        env:\n        - {name: A}\n        - {value: x}"),
        ["14: missing field(s): spec.template.spec.containers[0].env[1].name"]
    );
}

#[test]
fn limits() {
    assert_eq!(
        spec("      containerConcurrency: 2000\n"),
        ["10: expected 0 <= 2000 <= 1000: spec.template.spec.containerConcurrency"]
    );
    assert_eq!(
        spec("      containerConcurrency: -1\n"),
        ["10: expected 0 <= -1 <= 1000: spec.template.spec.containerConcurrency"]
    );
    assert_eq!(
        spec("      timeoutSeconds: 601\n"),
        ["10: expected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds"]
    );
    assert_eq!(
        spec("      idleTimeoutSeconds: -5\n"),
        ["10: expected 0 <= -5 <= 600: spec.template.spec.idleTimeoutSeconds"]
    );
}

#[test]
fn probes() {
    assert_eq!(
        container("        readinessProbe: {httpGet: {path: /}, tcpSocket: {}}"),
        [
            "12: expected exactly one, got both: spec.template.spec.containers[0].readinessProbe.httpGet, spec.template.spec.containers[0].readinessProbe.tcpSocket"
        ]
    );
    assert_eq!(
        container("        livenessProbe: {periodSeconds: 1}"),
        [
            "12: expected exactly one, got neither: spec.template.spec.containers[0].livenessProbe.exec, spec.template.spec.containers[0].livenessProbe.grpc, spec.template.spec.containers[0].livenessProbe.httpGet, spec.template.spec.containers[0].livenessProbe.tcpSocket"
        ]
    );
    assert_eq!(
        container("        readinessProbe: {failureThreshold: 2}"),
        [
            "12: failureThreshold is disallowed when periodSeconds is zero: spec.template.spec.containers[0].readinessProbe.failureThreshold"
        ]
    );
    assert_eq!(
        container("        readinessProbe: {periodSeconds: -1}"),
        ["12: expected 0 <= -1 <= 2147483647: spec.template.spec.containers[0].readinessProbe.periodSeconds"]
    );
    assert_eq!(
        container("        readinessProbe: {httpGet: {port: admin}}"),
        [
            "12: invalid value: admin: spec.template.spec.containers[0].readinessProbe.httpGet.port (Probe port must match container port)"
        ]
    );
    assert_eq!(container("        readinessProbe: {httpGet: {port: http}}"), Vec::<String>::new());
}

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
fn autoscaling_annotations() {
    for (key, value, expected) in [
        ("class", "x.autoscaling.knative.dev", "invalid value: x.autoscaling.knative.dev"),
        ("min-scale", "-1", "expected 0 <= -1 <= 2147483647"),
        ("min-scale", "x", "invalid value: x"),
        ("maxScale", "99999999999", "expected 0 <= 99999999999 <= 2147483647"),
        ("target", "0", "target 0 should be at least 0.01"),
        ("target", "NaN", "invalid value: NaN"),
        ("target-utilization-percentage", "0", "expected 1 <= 0 <= 100"),
        ("target-burst-capacity", "-2", "invalid value: -2"),
        ("panic-window-percentage", "101", "expected 1 <= 101 <= 100"),
        ("panic-threshold-percentage", "100", "expected 110 <= 100 <= 1000"),
        ("window", "1s", "expected 6s <= 1s <= 1h0m0s"),
        ("window", "6500ms", "must be specified with at most second precision"),
        ("window", "soon", "invalid value: soon"),
        ("scale-down-delay", "-1s", "expected 0s <= -1s <= 1h0m0s"),
        ("scale-to-zero-pod-retention-period", "2h", "expected 0s <= 2h <= 1h0m0s"),
        ("metric", "cpu", "invalid value: cpu"),
        ("metric-aggregation-algorithm", "best", "invalid value: best"),
        ("activation-scale", "1", "activation-scale=1 must be greater than 1"),
        ("initial-scale", "x", "invalid value: x"),
    ] {
        let key = format!("autoscaling.knative.dev/{key}");
        assert_eq!(
            annotation(&key, value),
            [format!("9: {expected}: spec.template.metadata.annotations.{key}")]
        );
    }
    assert_eq!(
        with(
            "annotations: {}",
            "annotations: {autoscaling.knative.dev/min-scale: '3', autoscaling.knative.dev/max-scale: '2'}"
        ),
        [
            "8: max-scale=2 is less than min-scale=3: spec.template.metadata.annotations.autoscaling.knative.dev/max-scale, spec.template.metadata.annotations.autoscaling.knative.dev/min-scale"
        ]
    );
    for (key, value) in [
        ("initial-scale", "0"),
        ("min-scale", "1"),
        ("window", "60s"),
        ("scale-to-zero-pod-retention-period", "1m1.5s"),
        ("target-burst-capacity", "-1"),
        ("metric", "rps"),
        ("class", "kpa.autoscaling.knative.dev"),
    ] {
        assert_eq!(annotation(&format!("autoscaling.knative.dev/{key}"), value), Vec::<String>::new());
    }
    assert_eq!(
        annotation("autoscaling.knative.dev/class", "hpa.autoscaling.knative.dev"),
        [
            "warning: autoscaler class hpa.autoscaling.knative.dev has no effect on this platform, kpa.autoscaling.knative.dev scales the revision: spec.template.metadata.annotations.autoscaling.knative.dev/class"
        ]
    );
}

#[test]
fn misplaced_and_other_annotations() {
    assert_eq!(
        with("  name: hello", "  name: hello\n  annotations: {autoscaling.knative.dev/min-scale: '1'}"),
        [
            "5: invalid key name \"autoscaling.knative.dev/min-scale\": metadata.annotations (autoscaling annotations must be put under \"spec.template.metadata.annotations\" to work)"
        ]
    );
    for (value, expected) in [
        ("x", "5: invalid value: x: metadata.annotations.serving.knative.dev/rollout-duration"),
        (
            "-1s",
            "5: rollout-duration=-1s must be positive: metadata.annotations.serving.knative.dev/rollout-duration",
        ),
        (
            "1.5s",
            "5: rollout-duration=1.5s is not at second precision: metadata.annotations.serving.knative.dev/rollout-duration",
        ),
    ] {
        let line =
            format!("  name: hello\n  annotations: {{serving.knative.dev/rollout-duration: '{value}'}}");
        assert_eq!(with("  name: hello", &line), [expected]);
    }
    assert_eq!(
        annotation("serving.knative.dev/progress-deadline", "-1s"),
        [
            "9: progress-deadline=-1s must be positive: spec.template.metadata.annotations.serving.knative.dev/progress-deadline"
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
