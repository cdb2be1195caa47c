//! The health-check filter: who asks whether the gateway is well gets its answer from the gateway.

use forebay_proto::envoy::config::route::v3 as r;
use forebay_proto::envoy::extensions::filters::http::health_check::v3::HealthCheck;
use forebay_proto::google::protobuf::BoolValue;

use super::backend::Backend;
use super::world::{World, to};

const NAME: &str = "envoy.filters.http.health_check";

fn start(backend: &Backend, pass_through: bool) -> World {
    let path = r::HeaderMatcher {
        name: ":path".to_owned(),
        header_match_specifier: Some(r::header_matcher::HeaderMatchSpecifier::ExactMatch(
            "/healthz".to_owned(),
        )),
        ..Default::default()
    };
    let settings = HealthCheck {
        pass_through_mode: Some(BoolValue { value: pass_through }),
        headers: vec![path],
        ..Default::default()
    };
    to(&[backend.address]).filter(NAME, &settings).start()
}

#[test]
fn it_is_answered_here_and_fails_when_the_operator_says_so() {
    let backend = Backend::echoing_path();
    let world = start(&backend, false);
    let mut client = world.connect();
    assert_eq!(client.get("/healthz").status, 200);
    assert!(backend.requests().is_empty());
    assert_eq!(client.get("/other").body, b"/other");
    world.admin("POST", "/healthcheck/fail");
    let failing = client.get("/healthz");
    assert_eq!((failing.status, failing.header("connection")), (503, Some("close")));
    let served = world.connect().get("/other");
    assert_eq!((served.status, served.header("x-envoy-immediate-health-check-fail")), (200, Some("true")));
    assert_eq!(served.header("connection"), Some("close"), "everybody is to go elsewhere");
    world.admin("POST", "/healthcheck/ok");
    let well = world.connect().get("/healthz");
    assert_eq!((well.status, well.header("connection")), (200, None));
    assert!(well.header("x-envoy-upstream-healthchecked-cluster").is_some());
}

#[test]
fn or_by_the_endpoint_while_the_gateway_is_well() {
    let backend = Backend::echoing_path();
    let world = start(&backend, true);
    let mut client = world.connect();
    assert_eq!(client.get("/healthz").body, b"/healthz");
    world.admin("POST", "/healthcheck/fail");
    assert_eq!(client.get("/healthz").status, 503);
    assert_eq!(backend.requests().len(), 1);
}
