//! CONNECT: tunnels that end at an endpoint, tunnels that are asked of one, and requests for tunnels that nobody allows.

use bytes::Bytes;
use forebay_proto::envoy::config::core::v3::Http2ProtocolOptions;
use forebay_proto::envoy::config::route::v3::{
    Route, RouteMatch,
    route_action::{UpgradeConfig, upgrade_config::ConnectConfig},
    route_match::{ConnectMatcher, PathSpecifier},
};
use http::{Method, Request};

use super::backend::Backend;
use super::h2c;
use super::resources::{forward, forward_with, route};
use super::world::{PATIENCE, World, to};

const ASK: &str = "CONNECT a.test:80 HTTP/1.1\r\nhost: a.test:80\r\n\r\n";

/// Routes CONNECT to `backend` with this configuration, and everything else as well.
fn world(backend: &Backend, config: Option<ConnectConfig>) -> World {
    let action = forward_with("backend", |action| {
        action.upgrade_configs = vec![UpgradeConfig {
            upgrade_type: "CONNECT".to_owned(),
            connect_config: config,
            ..Default::default()
        }];
    });
    let condition = RouteMatch {
        path_specifier: Some(PathSpecifier::ConnectMatcher(ConnectMatcher::default())),
        ..Default::default()
    };
    let connect = Route { r#match: Some(condition), ..route("/", action) };
    to(&[backend.address])
        .manager(|manager| {
            manager.http2_protocol_options =
                Some(Http2ProtocolOptions { allow_connect: true, ..Default::default() });
        })
        .host("*", vec![connect, route("/", forward("backend"))])
        .start()
}

/// Takes a request and says yes, if it is to be `asked`; echoes.
fn echo(asked: bool) -> Backend {
    Backend::start(move |mut conn| {
        if asked {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nx-proxy: b\r\ncontent-length: 0\r\n\r\n");
        }
        while let Some(byte) = conn.exactly(1) {
            conn.send(byte);
        }
    })
}

#[test]
fn a_tunnel_may_end_here() {
    let backend = echo(false);
    let world = world(&backend, Some(ConnectConfig::default()));
    let mut client = world.connect();
    client.send(ASK);
    let head = client.head().unwrap();
    assert_eq!(head.status, 200);
    assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (None, None));
    for word in ["one", "two"] {
        client.send(word);
        assert_eq!(client.exactly(word.len()).unwrap(), word.as_bytes(), "nothing came before it");
    }
    client.half_close();
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_tunnel_may_be_asked_of_the_endpoint() {
    let backend = echo(true);
    let world = world(&backend, None);
    let mut client = world.connect();
    client.send(format!("{ASK}early"));
    let head = client.head().unwrap();
    assert_eq!((head.status, head.header("x-proxy"), head.header("content-length")), (200, Some("b"), None));
    assert_eq!(client.exactly(5).unwrap(), b"early");
    let request = backend.request();
    assert_eq!((request.line(), request.header("host")), ("CONNECT a.test:80 HTTP/1.1", Some("a.test:80")));
    assert_eq!((request.header("connection"), request.header("upgrade")), (None, None));
}

#[test]
fn a_stream_of_http2_may_be_a_tunnel() {
    for (backend, config) in [(echo(true), None), (echo(false), Some(ConnectConfig::default()))] {
        let world = world(&backend, config);
        world.runtime.block_on(async {
            let mut send = h2c::connect(world.address).await;
            let request = Request::builder().method(Method::CONNECT).uri("a.test:80").body(()).unwrap();
            let (response, mut out) = send.send_request(request, false).unwrap();
            let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
            assert_eq!(response.status(), 200);
            let mut body = response.into_body();
            out.send_data(Bytes::from("word"), true).unwrap();
            let mut got = Vec::new();
            while let Some(piece) = tokio::time::timeout(PATIENCE, body.data()).await.unwrap() {
                got.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(got, b"word");
        });
    }
}

#[test]
fn an_endpoint_may_say_no_and_the_connection_ends() {
    let backend = Backend::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let world = world(&backend, None);
    let mut client = world.connect();
    client.send(format!("{ASK}GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"));
    let response = client.response();
    assert_eq!((response.status, response.text(), response.header("connection")), (403, "no", Some("close")));
    assert_eq!(client.rest().unwrap(), b"", "what was meant for the tunnel is no request");
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn other_requests_are_not_for_it_nor_it_for_other_routes() {
    let backend = Backend::echoing_path();
    let only = world(&backend, None);
    assert_eq!(only.connect().get("/x").text(), "/x");
    let plain = to(&[backend.address]).start();
    let mut client = plain.connect();
    client.send(ASK);
    assert_eq!(client.response().status, 404);
    let unallowed = to(&[backend.address])
        .host(
            "*",
            vec![Route {
                r#match: Some(RouteMatch {
                    path_specifier: Some(PathSpecifier::ConnectMatcher(ConnectMatcher::default())),
                    ..Default::default()
                }),
                ..route("/", forward("backend"))
            }],
        )
        .start();
    let mut client = unallowed.connect();
    client.send(ASK);
    assert_eq!(client.response().status, 403);
}
