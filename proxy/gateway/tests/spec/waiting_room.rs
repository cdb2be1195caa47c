//! Requests for a revision that has nobody: they wait in order, within bounds of count, bytes and time.

use super::backend::Backend;
use super::client::Response;
use super::resources::Revision;
use super::world::{to, until};

#[test]
fn requests_wait_for_the_first_endpoint_and_are_answered_in_order() {
    let backend = Backend::echoing_path();
    let world = to(&[]).revision(Revision::new().number("container_concurrency", 1.0)).start();
    let mut clients = Vec::new();
    for i in 0..10 {
        let mut client = world.connect();
        client.send(format!("POST /{i} HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"));
        until("it waits", || world.load().0 == i + 1);
        clients.push(client);
    }
    world.set_endpoints(&[backend.address]);
    for (i, client) in clients.iter_mut().enumerate() {
        let response = client.response();
        assert_eq!(response.text(), format!("/{i}"));
        assert!(response.header("server-timing").unwrap().starts_with("start;dur="), "{response:?}");
    }
    let served: Vec<_> = backend.requests().iter().map(|r| r.path().to_owned()).collect();
    assert_eq!(served, (0..10).map(|i| format!("/{i}")).collect::<Vec<_>>());
    assert!(backend.requests().iter().all(|request| request.body == b"body"));
}

#[test]
fn a_full_room_is_503() {
    let world = to(&[]).revision(Revision::new().number("max_waiting", 2.0)).start();
    let mut waiting: Vec<_> = (0..2).map(|_| world.connect()).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    until("two wait", || world.load().0 == 2);
    let mut third = world.connect();
    refused(&third.get("/"), 503, "too many requests wait for this revision");
    // The connection is still good, and so is a place that becomes free.
    waiting.pop();
    until("one left", || world.load().0 == 1);
    third.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it waits now", || world.load().0 == 2);
}

#[test]
fn too_many_bytes_are_503() {
    let world = to(&[]).revision(Revision::new().number("max_waiting_bytes", 5_000.0)).start();
    let mut first = world.connect();
    first.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4000\r\n\r\n{}", "x".repeat(4000)));
    until("it waits", || world.load().0 == 1);
    let mut second = world.connect();
    second.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4000\r\n\r\n{}", "x".repeat(4000)));
    refused(&second.response(), 503, "the requests that wait for this revision hold too many bytes");
    let mut small = world.connect();
    small.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("a small one fits", || world.load().0 == 2);
}

#[test]
fn too_long_a_wait_is_504() {
    let world = to(&[]).revision(Revision::new().number("wait_timeout_ms", 60.0)).start();
    let mut client = world.connect();
    for _ in 0..2 {
        let response = client.get("/");
        refused(&response, 504, "no replica became free in time");
        let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(body["error"]["clock"], "waitTimeout");
        assert!(body["error"]["afterMs"].as_u64().is_some_and(|after| after >= 60));
    }
    assert_eq!(world.load(), (0, 0));
}

#[test]
fn an_answer_that_does_not_begin_in_time_is_504() {
    let backend = Backend::start(|mut conn| {
        conn.request();
        conn.request();
    });
    let world =
        to(&[backend.address]).revision(Revision::new().number("response_start_timeout_ms", 60.0)).start();
    let response = world.connect().get("/");
    assert_eq!((response.status, response.header("content-type")), (504, Some("application/json")));
}

/// The refusal names revision and cause.
fn refused(response: &Response, status: u16, cause: &str) {
    assert_eq!((response.status, response.header("content-type")), (status, Some("application/json")));
    assert!(response.header("retry-after").is_some(), "{response:?}");
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body["error"]["revision"], "default/backend-00001");
    assert_eq!(body["error"]["status"], status);
    assert_eq!(body["error"]["cause"], cause);
}
