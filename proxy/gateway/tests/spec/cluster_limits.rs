//! What a cluster allows: connections, requests that wait, requests at once, and how long a connection is kept.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_proto::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use forebay_proto::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use forebay_proto::envoy::config::core::v3::HttpProtocolOptions;
use forebay_proto::google::protobuf::{self, UInt32Value};

use super::backend::Backend;
use super::client::Client;
use super::resources::{self, forward_with};
use super::world::{Setup, World, to, until};

/// An endpoint that answers each request when it is told to.
fn held() -> (Backend, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let backend = Backend::start(move |mut conn| {
        while let Some(request) = conn.request() {
            wait.lock().unwrap().recv().unwrap();
            conn.answer(request.path());
        }
    });
    (backend, go)
}

fn limited(backend: &Backend, limits: Thresholds) -> Setup {
    to(&[backend.address]).cluster(move |cluster| {
        cluster.circuit_breakers = Some(CircuitBreakers { thresholds: vec![limits], ..Default::default() });
    })
}

fn kept(backend: &Backend, options: HttpProtocolOptions) -> World {
    to(&[backend.address])
        .cluster(move |cluster: &mut Cluster| {
            cluster.common_http_protocol_options = Some(options);
        })
        .start()
}

fn some(n: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value: n })
}

fn asking(world: &World, path: &str) -> Client {
    let mut client = world.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    client
}

fn refused(client: &mut Client) {
    let response = client.response();
    let words = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    assert_eq!((response.status, response.text()), (503, words));
    assert_eq!(response.header("x-envoy-overloaded"), Some("true"));
}

#[test]
fn whoever_finds_all_connections_in_use_waits_for_one() {
    let (backend, go) = held();
    let world = limited(&backend, Thresholds { max_connections: some(1), ..Default::default() }).start();
    let mut first = asking(&world, "/1");
    until("the first is there", || backend.requests().len() == 1);
    let mut second = asking(&world, "/2");
    until("the second waits", || world.stat("cluster.backend.upstream_rq_pending_active") == 1);
    let open = |which: &str| world.stat(&format!("cluster.backend.circuit_breakers.{which}_open"));
    assert_eq!([open("default.cx"), open("high.cx"), open("default.rq")], [1, 0, 0]);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((first.response().text(), second.response().text()), ("/1", "/2"));
    assert_eq!(backend.connections(), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_overflow"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_rq_pending_active"), 0);
    let (clusters, at) = (world.admin("GET", "/clusters"), backend.address);
    assert!(clusters.contains(&format!("backend::{at}::cx_active::1\n")), "{clusters}");
}

#[test]
fn no_more_than_so_many_wait() {
    let (backend, go) = held();
    let limits = Thresholds { max_connections: some(1), max_pending_requests: some(1), ..Default::default() };
    let world = limited(&backend, limits).start();
    let mut first = asking(&world, "/1");
    until("the first is there", || backend.requests().len() == 1);
    let mut second = asking(&world, "/2");
    until("the second waits", || world.stat("cluster.backend.upstream_rq_pending_active") == 1);
    refused(&mut asking(&world, "/3"));
    assert_eq!(world.stat("cluster.backend.upstream_rq_pending_overflow"), 1);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((first.response().text(), second.response().text()), ("/1", "/2"));
}

#[test]
fn who_waited_and_left_has_taken_nothing_with_it() {
    let (backend, go) = held();
    let world = limited(&backend, Thresholds { max_connections: some(1), ..Default::default() }).start();
    let mut first = asking(&world, "/1");
    until("the first is there", || backend.requests().len() == 1);
    asking(&world, "/2").reset();
    let mut third = asking(&world, "/3");
    until("one waits", || world.stat("cluster.backend.upstream_rq_pending_active") == 1);
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((first.response().text(), third.response().text()), ("/1", "/3"));
}

#[test]
fn no_more_than_so_many_run_on_all_workers_together() {
    let (backend, go) = held();
    let limits = Thresholds { max_requests: some(1), ..Default::default() };
    let world = limited(&backend, limits).workers(2).start();
    let mut first = asking(&world, "/1");
    until("the first is there", || backend.requests().len() == 1);
    for _ in 0..8 {
        refused(&mut asking(&world, "/x"));
    }
    assert_eq!(world.stat("cluster.backend.upstream_rq_active_overflow"), 8);
    go.send(()).unwrap();
    assert_eq!(first.response().text(), "/1");
    until("it is over", || world.stat("cluster.backend.upstream_rq_active") == 0);
    go.send(()).unwrap();
    assert_eq!(asking(&world, "/2").response().text(), "/2");
}

#[test]
fn a_route_of_high_priority_has_limits_of_its_own() {
    let backend = Backend::echoing_path();
    let high = resources::route("/high", forward_with("backend", |action| action.priority = 1));
    let rest = resources::route("/", resources::forward("backend"));
    let world = limited(&backend, Thresholds { max_requests: some(0), ..Default::default() })
        .host("*", vec![high, rest])
        .start();
    refused(&mut asking(&world, "/"));
    assert_eq!(asking(&world, "/high").response().text(), "/high");
}

#[test]
fn a_connection_carries_so_many_requests() {
    let backend = Backend::echoing_path();
    let world =
        kept(&backend, HttpProtocolOptions { max_requests_per_connection: some(2), ..Default::default() });
    let mut client = world.connect();
    for i in 0..5 {
        assert_eq!(client.get(&format!("/{i}")).text(), format!("/{i}"));
    }
    assert_eq!(backend.connections(), 3);
    assert_eq!(world.stat("cluster.backend.upstream_cx_max_requests"), 2);
    assert_eq!(world.stat("cluster.backend.upstream_cx_active"), 1);
}

#[test]
fn a_connection_is_idle_only_so_long() {
    let backend = Backend::echoing_path();
    let idle = Some(protobuf::Duration { seconds: 0, nanos: 200_000_000 });
    let world = kept(&backend, HttpProtocolOptions { idle_timeout: idle, ..Default::default() });
    world.connect().get("/");
    assert_eq!(world.stat("cluster.backend.upstream_cx_active"), 1);
    until("it is closed", || world.stat("cluster.backend.upstream_cx_active") == 0);
    assert_eq!(world.stat("cluster.backend.upstream_cx_idle_timeout"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_destroy_local"), 1);
}

#[test]
fn a_connection_becomes_only_so_old() {
    let backend = Backend::echoing_path();
    let age = Some(protobuf::Duration { seconds: 0, nanos: 300_000_000 });
    let world = kept(&backend, HttpProtocolOptions { max_connection_duration: age, ..Default::default() });
    let mut client = world.connect();
    until("a second connection", || {
        client.get("/");
        std::thread::sleep(Duration::from_millis(20));
        backend.connections() == 2
    });
}

#[test]
fn an_endpoint_that_closes_is_counted_as_having_done_so() {
    let backend = Backend::start(|mut conn| {
        if let Some(request) = conn.request() {
            conn.answer(request.path());
        }
    });
    let world = to(&[backend.address]).start();
    world.connect().get("/");
    until("it is closed", || world.stat("cluster.backend.upstream_cx_destroy_remote") == 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_destroy"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_active"), 0);
}

#[test]
fn a_request_whose_client_leaves_is_no_longer_active() {
    let (backend, _go) = held();
    let world = to(&[backend.address]).start();
    let client = asking(&world, "/");
    until("it is there", || backend.requests().len() == 1);
    assert_eq!(world.stat("cluster.backend.upstream_rq_active"), 1);
    client.reset();
    until("it is over", || world.stat("cluster.backend.upstream_rq_active") == 0);
    assert_eq!(world.stat("cluster.backend.upstream_cx_active"), 0);
    assert_eq!(world.stat("cluster.backend.upstream_rq_cancelled"), 1);
}
