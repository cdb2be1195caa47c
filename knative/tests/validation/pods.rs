//! Containers, ports, variables, limits and probes.

use crate::{BASE, container, said, spec, with};

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
