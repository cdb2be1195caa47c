//! ext_authz over HTTP: a copy of the request's head goes to the authorizer, and its status is the answer.

use forebay_proto::envoy::extensions::filters::http::ext_authz::v3 as filter;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;

use super::authorizer::{NAME, body, http};
use super::backend::Backend;
use super::world::to;

fn names(all: &[&str]) -> Option<matcher::ListStringMatcher> {
    let exact = |name: &&str| matcher::StringMatcher {
        match_pattern: Some(matcher::string_matcher::MatchPattern::Exact((*name).to_owned())),
        ..Default::default()
    };
    Some(matcher::ListStringMatcher { patterns: all.iter().map(exact).collect() })
}

fn with(change: impl FnOnce(&mut filter::HttpService)) -> filter::ExtAuthz {
    let mut message = http();
    match &mut message.services {
        Some(filter::ext_authz::Services::HttpService(service)) => change(service),
        _ => unreachable!(),
    }
    message
}

#[test]
fn it_gets_the_request_line_the_authorization_and_what_else_is_allowed() {
    let backend = Backend::echoing_path();
    let authz = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let mut settings = with(|service| {
        service.authorization_request.as_mut().unwrap().allowed_headers = names(&["x-ok"]);
    });
    settings.with_request_body = body(4, true, false);
    let world = to(&[backend.address])
        .another_cluster("authz", &[authz.address], false)
        .filter(NAME, &settings)
        .start();
    let mut client = world.connect();
    client.send("PUT /a?b HTTP/1.1\r\nhost: h\r\nauthorization: z\r\nx-ok: 1\r\nx-no: 1\r\ncontent-length: 6\r\n\r\nabcdef");
    assert_eq!(client.response().status, 200);
    let asked = authz.request();
    assert_eq!((asked.line(), asked.header("host")), ("PUT /check/a?b HTTP/1.1", Some("h")));
    assert_eq!((asked.header("authorization"), asked.header("x-ok")), (Some("z"), Some("1")));
    assert_eq!((asked.header("client"), asked.header("x-envoy-internal")), (Some("kourier"), Some("true")));
    assert_eq!((asked.header("x-no"), asked.header("content-length")), (None, Some("4")));
    assert_eq!((&*asked.body, asked.header("x-envoy-auth-partial-body")), (&b"abcd"[..], Some("true")));
    assert_eq!(&*backend.request().body, b"abcdef");
}

#[test]
fn a_yes_gives_the_request_and_the_response_only_what_is_allowed() {
    let backend = Backend::echoing_path();
    let authz = Backend::answering(
        "HTTP/1.1 200 OK\r\nx-user: u\r\nx-group: g\r\nx-secret: s\r\nx-tell: t\r\nx-envoy-auth-headers-to-remove: authorization, x-other\r\ncontent-length: 0\r\n\r\n",
    );
    let settings = with(|service| {
        service.authorization_response = Some(filter::AuthorizationResponse {
            allowed_upstream_headers: names(&["x-user"]),
            allowed_upstream_headers_to_append: names(&["x-group"]),
            allowed_client_headers_on_success: names(&["x-tell"]),
            ..Default::default()
        });
    });
    let world = to(&[backend.address])
        .another_cluster("authz", &[authz.address], false)
        .filter(NAME, &settings)
        .start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: h\r\nauthorization: z\r\nx-user: forged\r\nx-group: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.header("x-tell"), response.header("x-secret")), (Some("t"), None));
    let request = backend.request();
    assert_eq!(request.header("x-user"), Some("u"));
    let groups: Vec<&str> = request.head.lines().filter(|line| line.starts_with("x-group")).collect();
    assert_eq!(groups, ["x-group: a", "x-group: g"], "beside what is there, on a line of its own");
    assert_eq!((request.header("authorization"), request.header("x-secret")), (None, None));
}

#[test]
fn a_no_is_passed_on_with_the_headers_the_client_may_see() {
    let backend = Backend::echoing_path();
    let authz = Backend::answering(
        "HTTP/1.1 302 Found\r\nlocation: /login\r\nx-ok: 1\r\nx-no: 1\r\ncontent-type: text/html\r\ncontent-length: 3\r\n\r\n<a>",
    );
    let start = |settings: &filter::ExtAuthz| {
        to(&[backend.address])
            .another_cluster("authz", &[authz.address], false)
            .filter(NAME, settings)
            .start()
    };
    let response = start(&http()).connect().get("/");
    assert_eq!((response.status, &*response.body), (302, &b"<a>"[..]));
    assert_eq!((response.header("location"), response.header("x-no")), (Some("/login"), Some("1")));
    assert_eq!(response.header("content-type"), Some("text/html"));
    let some = with(|service| {
        service.authorization_response = Some(filter::AuthorizationResponse {
            allowed_client_headers: names(&["x-ok"]),
            ..Default::default()
        });
    });
    let response = start(&some).connect().get("/");
    assert_eq!((response.header("location"), response.header("x-ok")), (Some("/login"), Some("1")));
    assert_eq!(response.header("x-no"), None);
    assert!(backend.requests().is_empty());
}

#[test]
fn an_authorizer_that_fails_says_neither_yes_nor_no() {
    let backend = Backend::echoing_path();
    let authz = Backend::answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\noops");
    let world = to(&[backend.address])
        .another_cluster("authz", &[authz.address], false)
        .filter(NAME, &http())
        .start();
    let response = world.connect().get("/");
    assert_eq!((response.status, response.body.len()), (403, 0));
    assert!(world.admin("GET", "/stats?filter=ext_authz").contains("ingress_http.ext_authz.error: 1"));
}
