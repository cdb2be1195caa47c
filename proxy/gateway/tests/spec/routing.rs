//! Which answer a host and a path get, where that is not an endpoint's.

use forebay_proto::envoy::config::core::v3::{DataSource, data_source::Specifier};
use forebay_proto::envoy::config::route::v3::{
    DirectResponseAction, RedirectAction, redirect_action, route::Action,
};

use super::backend::Backend;
use super::resources::{forward, host, route};
use super::world::{to, until};

#[test]
fn an_unknown_host_is_404_and_the_connection_goes_on() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).host("known.test", vec![route("/", forward("backend"))]).start();
    let mut client = world.connect();
    assert_eq!(client.get("/").status, 404);
    client.send("GET /a HTTP/1.1\r\nhost: known.test\r\n\r\n");
    assert_eq!(client.response().text(), "/a");
    client.send("GET /b HTTP/1.1\r\nhost: KNOWN.test\r\n\r\n");
    assert_eq!(client.response().text(), "/b");
}

#[test]
fn a_path_without_a_route_is_404() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).host("*", vec![route("/here", forward("backend"))]).start();
    let mut client = world.connect();
    assert_eq!(client.get("/there").status, 404);
    assert_eq!(client.get("/here/too").text(), "/here/too");
}

#[test]
fn dots_are_resolved_before_routing_and_hidden_ends_refused() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).host("*", vec![route("/open", forward("backend"))]).start();
    let mut client = world.connect();
    assert_eq!(client.get("/open/../secret").status, 404);
    assert_eq!(client.get("/x/../open/%2e%2e/open/y").text(), "/open/y");
}

#[test]
fn a_route_may_answer_by_itself() {
    let body =
        DataSource { specifier: Some(Specifier::InlineString("no tea".to_owned())), ..Default::default() };
    let teapot =
        Action::DirectResponse(DirectResponseAction { status: 418, body: Some(body), ..Default::default() });
    let world = to(&[]).host("*", vec![route("/", teapot)]).start();
    let mut client = world.connect();
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!((response.status, response.text()), (418, "no tea"));
    }
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.response_to_head().header("content-length"), Some("6"));
}

#[test]
fn a_route_may_send_elsewhere() {
    let to_https = Action::Redirect(RedirectAction {
        scheme_rewrite_specifier: Some(redirect_action::SchemeRewriteSpecifier::HttpsRedirect(true)),
        ..Default::default()
    });
    let world = to(&[]).host("*", vec![route("/", to_https)]).start();
    let response = world.connect().get("/x?y=1");
    assert_eq!((response.status, response.header("location")), (301, Some("https://a/x?y=1")));
}

#[test]
fn a_missing_cluster_is_503_and_a_new_route_holds_for_the_next_request() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).host("*", vec![route("/", forward("nowhere"))]).start();
    let mut client = world.connect();
    assert_eq!(client.get("/").status, 503);
    world.set_hosts(vec![host("all", "*", vec![route("/", forward("backend"))])]);
    until("the new route holds", || client.get("/").status == 200);
}
