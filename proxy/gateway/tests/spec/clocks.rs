//! Time limits of requests: what each runs from, what it ends, and whom it blames.

use std::time::{Duration, Instant};

use forebay_proto::envoy::config::core::v3::HttpProtocolOptions;
use forebay_proto::envoy::config::route::v3::RouteAction;
use forebay_proto::envoy::config::route::v3::route_action::MaxStreamDuration;
use forebay_proto::google::protobuf;

use super::backend::Backend;
use super::client::Client;
use super::resources::{self, Manager, forward_with};
use super::world::{Setup, World, to};

/// Long enough for a test to say something in time, short enough to wait for.
const SHORT: Option<protobuf::Duration> = Some(protobuf::Duration { seconds: 0, nanos: 200_000_000 });

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const HALF: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf";

fn silent() -> Backend {
    Backend::start(|mut conn| {
        conn.request();
        conn.request();
    })
}

/// Begins a response and never ends it.
fn unfinished() -> Backend {
    Backend::start(|mut conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun");
        conn.request();
    })
}

/// Upgrades, and echoes.
fn echo() -> Backend {
    Backend::start(|mut conn| {
        conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        while let Some(byte) = conn.exactly(1) {
            conn.send(byte);
        }
    })
}

fn routed(backend: &Backend, change: impl FnOnce(&mut RouteAction)) -> Setup {
    let route = resources::route("/", forward_with("backend", change));
    to(&[backend.address]).host("*", vec![route])
}

fn managed(backend: &Backend, change: impl FnOnce(&mut Manager)) -> World {
    to(&[backend.address]).manager(change).start()
}

fn answer(world: &World, request: &str) -> (u16, String) {
    let mut client = world.connect();
    client.send(request);
    let response = client.response();
    (response.status, response.text().to_owned())
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[test]
fn a_routes_time_is_the_responses() {
    let world = routed(&silent(), |action| action.timeout = SHORT).start();
    assert_eq!(answer(&world, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), said(504, "upstream request timeout"));
    assert_eq!(world.stat("cluster.backend.upstream_rq_timeout"), 1);
}

#[test]
fn it_begins_when_the_request_has_come_whole() {
    let backend = Backend::echoing_path();
    let world = routed(&backend, |action| action.timeout = SHORT).start();
    let mut client = world.connect();
    client.send(HALF);
    std::thread::sleep(Duration::from_millis(400));
    client.send("-whole");
    assert_eq!(client.response().status, 200);
}

#[test]
fn it_ends_a_response_that_has_begun() {
    let world = routed(&unfinished(), |action| action.timeout = SHORT).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.try_response(false).is_err(), "the client sees that it is not whole");
}

#[test]
fn the_endpoint_is_told_how_long_it_has() {
    let backend = Backend::echoing_path();
    let world = routed(&backend, |action| action.timeout = None).start();
    world.connect().get("/");
    assert_eq!(backend.request().header("x-envoy-expected-rq-timeout-ms"), Some("15000"), "Envoy's default");
}

#[test]
fn silence_blames_whoever_owes_the_next_word() {
    let quiet = |manager: &mut Manager| manager.stream_idle_timeout = SHORT;
    let world = managed(&silent(), quiet);
    assert_eq!(answer(&world, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), said(504, "stream timeout"));
    assert_eq!(answer(&world, HALF), said(408, "stream timeout"));
    assert_eq!(answer(&world, "GET / HTTP/1.1\r\nhost:"), said(408, "stream timeout"));
    assert_eq!(world.stat("http.ingress_http.downstream_rq_idle_timeout"), 3);
}

#[test]
fn a_route_may_wait_longer_or_for_ever() {
    let slow = || {
        Backend::start(|mut conn| {
            while conn.request().is_some() {
                std::thread::sleep(Duration::from_millis(500));
                conn.answer("late");
            }
        })
    };
    let world = routed(&slow(), |action| action.idle_timeout = Some(protobuf::Duration::default()))
        .manager(|manager| manager.stream_idle_timeout = SHORT)
        .start();
    assert_eq!(world.connect().get("/").text(), "late");
}

#[test]
fn a_stream_has_its_own_time() {
    let limit = |manager: &mut Manager| {
        manager.common_http_protocol_options =
            Some(HttpProtocolOptions { max_stream_duration: SHORT, ..Default::default() });
    };
    let world = managed(&silent(), limit);
    let late = "downstream duration timeout";
    assert_eq!(answer(&world, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), said(504, late));
    assert_eq!(answer(&world, HALF), said(408, late));
    assert_eq!(world.stat("http.ingress_http.downstream_rq_max_duration_reached"), 2);
    let of_route = |action: &mut RouteAction| {
        let duration = MaxStreamDuration { max_stream_duration: SHORT, ..Default::default() };
        action.max_stream_duration = Some(duration);
    };
    let world = routed(&silent(), of_route).start();
    assert_eq!(answer(&world, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), said(504, late));
}

#[test]
fn a_request_has_to_come_in_time() {
    let world = managed(&silent(), |manager| manager.request_timeout = SHORT);
    assert_eq!(answer(&world, HALF), said(408, "request timeout"));
    assert_eq!(world.stat("http.ingress_http.downstream_rq_timeout"), 1);
    let world = managed(&silent(), |manager| manager.request_headers_timeout = SHORT);
    assert_eq!(answer(&world, "GET / HTTP/1.1\r\nhost:"), said(408, "request header timeout"));
}

#[test]
fn a_grpc_call_may_set_the_streams_time() {
    let by_call = |action: &mut RouteAction| {
        action.max_stream_duration = Some(MaxStreamDuration {
            grpc_timeout_header_max: Some(protobuf::Duration { seconds: 5, nanos: 0 }),
            ..Default::default()
        });
    };
    let world = routed(&silent(), by_call).start();
    let call = "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ngrpc-timeout: 200m\r\ncontent-length: 0\r\n\r\n";
    let mut client = world.connect();
    client.send(call);
    let response = client.response();
    assert_eq!((response.status, response.header("grpc-status")), (200, Some("4")));
}

fn upgraded(world: &World) -> Client {
    let mut client = world.connect();
    client.send(UPGRADE);
    assert_eq!(client.response().status, 101);
    client
}

#[test]
fn a_tunnel_obeys_no_clock_but_silence() {
    let world = routed(&echo(), |action| {
        action.timeout = SHORT;
        action.idle_timeout = Some(protobuf::Duration { seconds: 1, nanos: 0 });
    })
    .manager(|manager| manager.request_timeout = SHORT)
    .start();
    let mut client = upgraded(&world);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        client.send("x");
        assert_eq!(client.exactly(1).unwrap(), b"x", "neither the route's time nor the request's ends it");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(client.is_closed(), "silence does");
}
