//! Hosts of the user's own.

use forebay_knative::api::Kind;
use forebay_knative::ingress::Visibility;

use crate::stage::{Stage, service};

fn mapping(host: &str, to: &str) -> String {
    format!(
        "apiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata: {{name: {host}}}\nspec: {{ref: {{kind: Service, name: {to}, apiVersion: serving.knative.dev/v1}}}}\n"
    )
}

#[test]
fn a_mapped_host_is_routed_once_more_under_the_local_one() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    stage.apply(&mapping("www.example.com", "hello"));
    let rule = stage.rule("www.example.com").unwrap();
    assert_eq!(rule.visibility, Visibility::ExternalIP);
    let path = &rule.http.paths[0];
    assert_eq!(path.rewrite_host.as_deref(), Some("hello.default.svc.cluster.local"));
    assert_eq!((path.splits.len(), path.splits[0].percent, &*path.splits[0].service_name), (1, 100, "hello"));
    let set: Vec<_> = path.splits[0].append_headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(set, [("K-Original-Host", "www.example.com")]);
    assert_eq!(stage.says(Kind::DomainMapping, "www.example.com", "Ready"), "True");
}

#[test]
fn a_mapping_waits_for_its_service() {
    let mut stage = Stage::new();
    stage.apply(&mapping("www.example.com", "hello"));
    assert_eq!(stage.splits("www.example.com"), "");
    assert_eq!(
        stage.says(Kind::DomainMapping, "www.example.com", "Ready"),
        "False ResolveFailed: services.serving.knative.dev \"hello\" not found"
    );
    stage.apply(&service("hello", "i:1", ""));
    assert_eq!(stage.splits("www.example.com"), "hello 100");
    stage.delete(Kind::Service, "hello");
    assert_eq!(
        stage.says(Kind::DomainMapping, "www.example.com", "Ready"),
        "False ResolveFailed: services.serving.knative.dev \"hello\" not found"
    );
}

#[test]
fn a_mapping_can_be_turned_and_deleted() {
    let mut stage = Stage::new();
    stage.apply(&service("a", "i:1", ""));
    stage.apply(&service("b", "i:1", ""));
    stage.apply(&mapping("www.example.com", "a"));
    stage.apply(&mapping("www.example.com", "b"));
    assert_eq!(stage.splits("www.example.com"), "b 100");
    assert!(stage.delete(Kind::DomainMapping, "www.example.com"));
    assert_eq!(stage.splits("www.example.com"), "");
}
