//! Counters by Envoy's names: every request ends up in exactly one of each kind, and gauges come back to zero.

use super::backend::Backend;
use super::resources::{forward, route};
use super::world::{to, until};

#[test]
fn requests_are_counted_once_by_both_sides() {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            match request.path() {
                "/500" => conn.send("HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"),
                path => conn.answer(path),
            }
        }
    });
    let world = to(&[backend.address]).workers(2).host("a", vec![route("/", forward("backend"))]).start();
    for _ in 0..3 {
        let mut client = world.connect();
        client.get("/");
        client.get("/500");
        client.send("GET / HTTP/1.1\r\nhost: b\r\n\r\n");
        assert_eq!(client.response().status, 404);
    }
    for (name, count) in [
        ("http.ingress_http.downstream_rq_total", 9),
        ("http.ingress_http.downstream_rq_2xx", 3),
        ("http.ingress_http.downstream_rq_4xx", 3),
        ("http.ingress_http.downstream_rq_5xx", 3),
        ("http.ingress_http.downstream_cx_total", 3),
        ("http.ingress_http.downstream_rq_active", 0),
        ("cluster.backend.upstream_rq_total", 6),
        ("cluster.backend.upstream_rq_200", 3),
        ("cluster.backend.upstream_rq_500", 3),
        ("cluster.backend.upstream_rq_active", 0),
    ] {
        assert_eq!(world.stat(name), count, "{name}");
    }
    until("connections are over", || world.stat("http.ingress_http.downstream_cx_active") == 0);
}

#[test]
fn cancelled_requests_leave_no_gauge_behind() {
    let backend = Backend::start(|mut conn| {
        conn.request();
        conn.request();
    });
    let world = to(&[backend.address]).start();
    for i in 1..=5 {
        let mut client = world.connect();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        until("it is with the endpoint", || backend.requests().len() == i);
        client.reset();
    }
    for gauge in [
        "http.ingress_http.downstream_rq_active",
        "http.ingress_http.downstream_cx_active",
        "cluster.backend.upstream_rq_active",
    ] {
        until(gauge, || world.stat(gauge) == 0);
    }
    assert_eq!(world.stat("http.ingress_http.downstream_rq_total"), 5);
}

#[test]
fn bytes_are_counted_where_they_pass() {
    const REQUEST: &str = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ngoodbye";
    let backend = Backend::answering(ANSWER);
    let world = to(&[backend.address]).start();
    let got = world.connect().send(REQUEST).rest().unwrap();
    assert!(got.ends_with(b"goodbye"));
    for (name, count) in [
        ("http.ingress_http.downstream_cx_rx_bytes_total", REQUEST.len()),
        ("http.ingress_http.downstream_cx_tx_bytes_total", got.len()),
        ("cluster.backend.upstream_cx_rx_bytes_total", ANSWER.len()),
    ] {
        until(name, || world.stat(name) == count as u64);
    }
    // What we say of ourselves is added to what the client said.
    assert!(world.stat("cluster.backend.upstream_cx_tx_bytes_total") > REQUEST.len() as u64 / 2);
}
