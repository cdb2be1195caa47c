//! Who may reach a Service.

use forebay_knative::ingress::Visibility;

use crate::stage::{Stage, service};

#[test]
fn a_service_is_public_and_local() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    assert_eq!(
        stage.hosts(),
        [
            "hello.default",
            "hello.default.svc",
            "hello.default.svc.cluster.local",
            "hello.default.127.0.0.1.sslip.io",
            "hello.default.localhost",
        ]
    );
    assert_eq!(stage.rule("hello.default").unwrap().visibility, Visibility::ClusterLocal);
    assert_eq!(stage.rule("hello.default.localhost").unwrap().visibility, Visibility::ExternalIP);
}

#[test]
fn the_label_takes_the_public_hosts_away_and_gives_them_back() {
    let mut stage = Stage::new();
    stage.apply(&service("hello", "i:1", ""));
    stage.ready("hello-00001");
    stage.apply(&service("hello, labels: {networking.knative.dev/visibility: cluster-local}", "i:1", ""));
    assert_eq!(stage.hosts(), ["hello.default", "hello.default.svc", "hello.default.svc.cluster.local"]);
    assert_eq!(stage.world.services().next().unwrap().url, "http://hello.default.svc.cluster.local");
    stage.apply(&service("hello", "i:1", ""));
    assert_eq!(stage.hosts().len(), 5);
}

#[test]
fn a_namespace_of_digits_has_no_short_host() {
    let mut stage = Stage::new();
    stage.apply(&service("hello, namespace: '123'", "i:1", ""));
    stage.ready("123/hello-00001");
    assert_eq!(stage.splits("hello.123"), "");
    assert_eq!(stage.splits("hello.123.svc"), "hello-00001 100");
}
