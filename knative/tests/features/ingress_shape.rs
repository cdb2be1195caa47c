//! What a Route's KIngress looks like, as Go's JSON of its spec.

use crate::stage::{Stage, service};

#[test]
fn a_plain_service() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    stage.changes();
    let ingress = &stage.ingresses["default/hello"];
    let path = r#"{"paths":[{"splits":[{"serviceNamespace":"default","serviceName":"hello-00001","servicePort":80,"percent":100,"appendHeaders":{"Knative-Serving-Namespace":"default","Knative-Serving-Revision":"hello-00001"}}]}]}"#;
    let expected = format!(
        r#"{{"rules":[{{"hosts":["hello.default","hello.default.svc","hello.default.svc.cluster.local"],"visibility":"ClusterLocal","http":{path}}},{{"hosts":["hello.default.127.0.0.1.sslip.io"],"visibility":"ExternalIP","http":{path}}},{{"hosts":["hello.default.localhost"],"visibility":"ExternalIP","http":{path}}}],"httpOption":"Enabled"}}"#
    );
    assert_eq!(String::from_utf8(ingress.spec.to_go_json()).unwrap(), expected);
    assert!(ingress.annotations.is_empty());
    assert_eq!(ingress.hash().len(), 64);
}

#[test]
fn h2c_has_its_own_port() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "'i:1', ports: [{name: h2c, containerPort: 9000}]", ""));
    stage.ready("hello-00001");
    stage.changes();
    let json = String::from_utf8(stage.ingresses["default/hello"].spec.to_go_json()).unwrap();
    assert!(json.contains(r#""servicePort":81"#), "{json}");
}

#[test]
fn tags_are_told_with_their_hosts() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", "  traffic: [{percent: 100, tag: t}]\n"));
    stage.ready("hello-00001");
    stage.changes();
    assert_eq!(
        stage.ingresses["default/hello"]
            .annotations
            .get("networking.internal.knative.dev/tag-to-host")
            .unwrap(),
        r#"{"t":["t-hello.default.svc.cluster.local","t-hello.default.localhost"]}"#
    );
}

#[test]
fn plain_http_can_be_sent_to_https() {
    let mut stage = Stage::new();
    stage.apply(&service(
        "hello, annotations: {networking.knative.dev/http-protocol: Redirected}",
        "i:1",
        "",
    ));
    stage.ready("hello-00001");
    stage.changes();
    let json = String::from_utf8(stage.ingresses["default/hello"].spec.to_go_json()).unwrap();
    assert!(json.ends_with(r#""httpOption":"Redirected"}"#), "{json}");
}
