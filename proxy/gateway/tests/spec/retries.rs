//! What is tried again, and what is not.

use std::net::{SocketAddr, TcpListener};

use super::backend::Backend;
use super::world::to;

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_refused_connection_sends_the_request_to_another_endpoint() {
    let backend = Backend::echoing_path();
    let world = to(&[nobody(), backend.address]).start();
    let mut client = world.connect();
    for i in 0..50 {
        client.send(format!("POST /{i} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"));
        assert_eq!(client.response().text(), format!("/{i}"));
    }
    assert!(backend.requests().iter().all(|request| request.body == b"body"));
    assert!(world.stat("cluster.backend.upstream_rq_retry") > 0);
}

#[test]
fn nobody_there_at_all_is_503() {
    let world = to(&[nobody()]).start();
    let response = world.connect().get("/");
    assert_eq!(response.status, 503);
    assert_eq!(
        response.text(),
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
    );
}

#[test]
fn no_endpoints_is_503() {
    let world = to(&[]).start();
    let response = world.connect().get("/");
    assert_eq!((response.status, response.text()), (503, "no healthy upstream"));
}

#[test]
fn a_post_that_was_read_is_not_sent_twice() {
    let backend = Backend::start(|mut conn| {
        // The first is answered, so that the connection is pooled; the second is read and left alone.
        if let Some(request) = conn.request() {
            conn.answer(request.path());
        }
        conn.request();
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.get("/1");
    client.send("POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!(client.response().status, 503);
    assert_eq!(backend.requests().len(), 2);
}

#[test]
fn a_small_body_is_sent_again_when_the_pooled_connection_was_dead() {
    let backend = Backend::start(|mut conn| {
        // The first of each connection is answered, so that it is pooled; the second finds it dead.
        if let Some(request) = conn.request() {
            conn.answer(request.path());
        }
        conn.request_head();
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.get("/1");
    client.send("PUT /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!(client.response().text(), "/2");
    let requests = backend.requests();
    assert_eq!((requests.len(), &*requests[1].body), (2, &b"hi"[..]), "{requests:?}");
    assert_eq!(backend.connections(), 2);
}
