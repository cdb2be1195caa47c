//! Connections that live on, and those that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::backend::Backend;
use super::world::{to, until};

#[test]
fn a_connection_carries_many_requests_and_so_does_the_one_behind() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    for i in 0..50 {
        assert_eq!(client.get(&format!("/{i}")).text(), format!("/{i}"));
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    let all: String = (0..20).map(|i| format!("GET /{i} HTTP/1.1\r\nhost: a\r\n\r\n")).collect();
    client.send(all);
    for i in 0..20 {
        assert_eq!(client.response().text(), format!("/{i}"));
    }
}

#[test]
fn a_head_may_come_byte_by_byte() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    for byte in b"GET /slow HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), "/slow");
}

#[test]
fn connection_close_is_obeyed_and_said() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn http_1_0_is_one_request_a_connection_unless_it_asks_for_more() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).manager(accept_http_10).start();
    let mut client = world.connect();
    client.send("GET /a HTTP/1.0\r\nhost: a\r\n\r\n");
    let response = client.response();
    assert_eq!((response.text(), response.header("connection")), ("/a", Some("close")));
    assert!(client.is_closed());

    let mut client = world.connect();
    for path in ["/b", "/c"] {
        client.send(format!("GET {path} HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n"));
        let response = client.response();
        assert_eq!((response.text(), response.header("connection")), (path, Some("keep-alive")));
    }
    assert!(backend.request_lines().iter().all(|line| line.ends_with(" HTTP/1.1")));
}

#[test]
fn http_1_0_gets_no_chunks() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let backend = Backend::answering(chunked);
    let world = to(&[backend.address]).manager(accept_http_10).start();
    let mut client = world.connect();
    client.send("GET /a HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert_eq!((response.text(), response.header("transfer-encoding")), ("abcde", None));
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn a_half_closed_client_gets_its_answer() {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            std::thread::sleep(std::time::Duration::from_millis(100));
            conn.answer(request.path());
        }
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("GET /half HTTP/1.1\r\nhost: a\r\n\r\n").half_close();
    let mut response = client.response();
    // Slow enough to be asked whether it is there still.
    while response.status == 100 {
        response = client.response();
    }
    assert_eq!(response.text(), "/half");
    assert!(client.is_closed());
}

#[test]
fn a_fast_answer_to_a_half_closed_client_comes_without_interim_responses() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    for _ in 0..50 {
        let mut client = world.connect();
        let begun = Instant::now();
        client.send("GET /half HTTP/1.1\r\nhost: a\r\n\r\n").half_close();
        let response = client.response();
        // On a busy machine it may not have been fast.
        if begun.elapsed() < Duration::from_millis(15) {
            assert_eq!((response.status, response.text()), (200, "/half"));
        }
    }
}

#[test]
fn a_connection_the_endpoint_closed_while_idle_fails_no_request() {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = closed.clone();
    let backend = Backend::start(move |mut conn| {
        // Keep-alive is promised, and then the connection closes: what every server does to idle connections.
        if let Some(request) = conn.request() {
            conn.answer(request.path());
        }
        drop(conn);
        count.fetch_add(1, Ordering::SeqCst);
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    for i in 0..200 {
        // A GET may run into the closing itself and is sent again; a POST must not be sent on what is closed already.
        let (method, body) = if i % 2 == 0 { ("GET", "") } else { ("POST", "hello") };
        if method == "POST" {
            until("the endpoint has closed", || closed.load(Ordering::SeqCst) >= i);
        }
        client.send(format!(
            "{method} /{i} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
        let response = client.response();
        assert_eq!((response.status, response.text()), (200, &*format!("/{i}")), "round {i}");
    }
    assert_eq!(backend.requests().len(), 200, "each ran once");
}

fn accept_http_10(manager: &mut super::resources::Manager) {
    use forebay_proto::envoy::config::core::v3::Http1ProtocolOptions;
    manager.http_protocol_options = Some(Http1ProtocolOptions { accept_http_10: true, ..Default::default() });
}
