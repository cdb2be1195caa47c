//! Websockets and other upgrades: from `101` on, bytes both ways.

use std::io::{Read, Write};

use super::backend::Backend;
use super::world::to;

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: k\r\n\r\n";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: v\r\n\r\n";

/// Says yes and echoes until its client has no more to say, then says goodbye.
fn echo() -> Backend {
    Backend::start(|mut conn| {
        conn.request();
        conn.send(YES);
        while let Some(byte) = conn.exactly(1) {
            conn.send(byte);
        }
        conn.send("bye");
    })
}

#[test]
fn bytes_go_both_ways_and_a_half_close_is_a_half_close() {
    let backend = echo();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(ASK);
    let response = client.response();
    assert_eq!((response.status, response.header("upgrade")), (101, Some("websocket")));
    assert_eq!(response.header("connection"), Some("upgrade"));
    assert_eq!(response.header("sec-websocket-accept"), Some("v"));
    for word in ["one", "two", "three"] {
        client.send(word);
        assert_eq!(client.exactly(word.len()).unwrap(), word.as_bytes());
    }
    client.half_close();
    assert_eq!(client.rest().unwrap(), b"bye");
    let request = backend.request();
    assert_eq!(request.header("connection"), Some("Upgrade"), "as the client wrote it");
    assert_eq!(request.header("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(request.header("sec-websocket-key"), Some("k"));
}

#[test]
fn bytes_sent_right_behind_the_request_are_the_new_protocols() {
    let backend = echo();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(format!("{ASK}early"));
    assert_eq!(client.response().status, 101);
    assert_eq!(client.exactly(5).unwrap(), b"early");
}

#[test]
fn much_goes_through_at_once_in_both_directions() {
    let backend = Backend::start(|mut conn| {
        conn.request();
        conn.send(YES);
        let mut out = conn.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || out.write_all(&vec![b'd'; 4 << 20]).unwrap());
        assert_eq!(conn.exactly(4 << 20).unwrap().len(), 4 << 20);
        sender.join().unwrap();
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(ASK);
    assert_eq!(client.response().status, 101);
    let mut out = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || out.write_all(&vec![b'u'; 4 << 20]).unwrap());
    assert_eq!(client.exactly(4 << 20).unwrap().len(), 4 << 20);
    sender.join().unwrap();
    let _ = client.stream.read(&mut [0]);
}

#[test]
fn an_endpoint_may_say_no() {
    let backend = Backend::answering("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno");
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(ASK);
    let response = client.response();
    assert_eq!((response.status, response.text()), (400, "no"));
}

#[test]
fn what_no_route_allows_is_403() {
    let backend = echo();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n");
    assert_eq!(client.response().status, 403);
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn upgrades_are_counted() {
    let backend = echo();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send(ASK);
    assert_eq!(client.response().status, 101);
    assert_eq!(world.stat("http.ingress_http.downstream_cx_upgrades_active"), 1);
    client.half_close();
    client.rest();
    super::world::until("the upgrade is over", || {
        world.stat("http.ingress_http.downstream_cx_upgrades_active") == 0
    });
}
