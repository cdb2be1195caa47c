//! Routes that leave the destination to the request, and hosts that are rewritten to an endpoint's own name.

use forebay_proto::envoy::config::endpoint::v3::{ClusterLoadAssignment, lb_endpoint::HostIdentifier};
use forebay_proto::envoy::config::route::v3::route_action::{
    ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier,
};
use forebay_proto::envoy::config::route::v3::virtual_host::TlsRequirementType;
use forebay_proto::google::protobuf::BoolValue;
use forebay_proto::type_url;

use super::backend::Backend;
use super::resources::{self, forward, forward_with, route};
use super::world::{to, until};

fn by_header() -> forebay_proto::envoy::config::route::v3::route::Action {
    forward_with("", |action| {
        action.cluster_specifier = Some(ClusterSpecifier::ClusterHeader("X-Cluster".to_owned()));
    })
}

fn answering(body: &str) -> Backend {
    Backend::answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// The last request that came.
fn last(backend: &Backend) -> super::backend::Request {
    backend.requests().pop().unwrap()
}

#[test]
fn a_header_may_name_the_cluster() {
    let (one, two) = (answering("one"), answering("two"));
    let world = to(&[one.address])
        .another_cluster("other", &[two.address], false)
        .host("*", vec![route("/", by_header())])
        .start();
    let mut client = world.connect();
    let mut ask = |cluster: &str| {
        client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{cluster}\r\n"));
        let response = client.response();
        (response.status, response.text().to_owned())
    };
    assert_eq!(ask("x-cluster: backend\r\n"), (200, "one".to_owned()));
    assert_eq!(ask("x-cluster: other\r\n"), (200, "two".to_owned()));
    for nobody in ["x-cluster: nobody\r\n", "x-cluster:\r\n", ""] {
        assert_eq!(ask(nobody).0, 503, "{nobody:?}");
    }
    assert_eq!(world.stat("http.ingress_http.no_cluster"), 3);
    // Clusters that come and go after the first such request are known as well.
    let store = &world.control.store;
    store.set(type_url::CLUSTER, "later", &resources::cluster("later", None, false));
    store.set(type_url::ENDPOINTS, "later", &resources::endpoints("later", &[two.address]));
    until("it has come", || ask("x-cluster: later\r\n") == (200, "two".to_owned()));
    store.remove(type_url::CLUSTER, "later");
    until("it has gone", || ask("x-cluster: later\r\n").0 == 503);
}

#[test]
fn a_route_says_what_an_unknown_cluster_is_answered_by() {
    for (code, status) in [
        (ClusterNotFoundResponseCode::ServiceUnavailable, 503),
        (ClusterNotFoundResponseCode::NotFound, 404),
        (ClusterNotFoundResponseCode::InternalServerError, 500),
    ] {
        let mut action = by_header();
        if let forebay_proto::envoy::config::route::v3::route::Action::Route(action) = &mut action {
            action.cluster_not_found_response_code = code as i32;
        }
        let world = to(&[]).host("*", vec![route("/", action)]).start();
        assert_eq!(world.connect().get("/").status, status);
    }
}

#[test]
fn an_endpoint_is_called_by_its_own_name() {
    let backend = answering("ok");
    let auto = forward_with("backend", |action| {
        action.host_rewrite_specifier =
            Some(HostRewriteSpecifier::AutoHostRewrite(BoolValue { value: true }));
        action.append_x_forwarded_host = true;
    });
    let world = to(&[backend.address]).host("*", vec![route("/", auto)]).start();
    let mut client = world.connect();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(last(&backend).header("host"), Some("a"), "it has no name yet");
    let mut named: ClusterLoadAssignment = resources::endpoints("backend", &[backend.address]);
    if let Some(HostIdentifier::Endpoint(endpoint)) = &mut named.endpoints[0].lb_endpoints[0].host_identifier
    {
        endpoint.hostname = "up.test".to_owned();
    }
    world.control.store.set(type_url::ENDPOINTS, "backend", &named);
    until("its name has come", || {
        assert_eq!(client.get("/").status, 200);
        last(&backend).header("host") == Some("up.test")
    });
    let seen = last(&backend);
    assert_eq!(seen.header("x-envoy-original-host"), Some("a"));
    assert_eq!(seen.header("x-forwarded-host"), Some("a"));
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-host: first, a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(last(&backend).header("x-forwarded-host"), Some("first, a"), "the last one is told already");
}

#[test]
fn a_host_that_wants_https_sends_others_there() {
    let backend = answering("ok");
    let only = |requirement: TlsRequirementType| {
        move |host: &mut resources::VirtualHost| host.require_tls = requirement as i32
    };
    let routes = || vec![route("/", forward("backend"))];
    let world = to(&[backend.address])
        .host_with("all.test", routes(), only(TlsRequirementType::All))
        .host_with("outside.test", routes(), only(TlsRequirementType::ExternalOnly))
        .start();
    let mut client = world.connect();
    for host in ["all.test", "outside.test:80"] {
        client.send(format!("GET /x?y HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, if host == "all.test" { 301 } else { 404 }, "ports are part of a domain");
        if response.status == 301 {
            assert_eq!(response.header("location"), Some("https://all.test/x?y"));
        }
    }
    client.send("GET / HTTP/1.1\r\nhost: outside.test\r\n\r\n");
    assert_eq!(client.response().header("location"), Some("https://outside.test/"));
    assert_eq!(backend.requests().len(), 0);
}
