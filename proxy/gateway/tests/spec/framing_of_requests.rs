//! Requests that two readers could see differently are refused, and the connection with them; the endpoint hears nothing.

use super::backend::Backend;
use super::world::to;

const BAD: &[(&str, &str)] = &[
    (
        "CL.TE",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    (
        "TE.CL",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
    ("listed length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\nab"),
    ("signed length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\na"),
    ("negative length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n"),
    ("hexadecimal length", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x1\r\n\r\na"),
    ("length beyond 64 bits", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n"),
    ("unknown coding", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("chunked not last", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("hidden coding", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("blank before colon", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("folded line", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ("bare LF", "GET / HTTP/1.1\nhost: a\r\n\r\n"),
    ("bare CR", "GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n"),
    ("NUL", "GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
    ("host with a path", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    ("host with a user", "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n"),
    ("blank in target", "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("no version", "GET /\r\nhost: a\r\n\r\n"),
    ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"),
];

#[test]
fn ambiguous_heads_are_refused_and_the_connection_closed() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    for (name, bytes) in BAD {
        let mut client = world.connect();
        client.send(bytes);
        let response = client.response();
        assert!(matches!(response.status, 400 | 426 | 501), "{name}: {response:?}");
        assert_eq!(response.header("connection"), Some("close"), "{name}");
        assert!(client.is_closed(), "{name}");
    }
    assert_eq!(backend.requests().len(), 0);
    assert_eq!(world.stat("http.ingress_http.downstream_cx_protocol_error"), BAD.len() as u64);
}

#[test]
fn broken_chunks_end_the_request_on_both_sides() {
    for chunk in
        ["x\r\n", "-1\r\n", "1\r\nab\r\n", "1\r\na\n", "1 \n", "fffffffffffffffff\r\n", "1\r\na\r\r\n"]
    {
        let backend = Backend::echoing_path();
        let world = to(&[backend.address]).start();
        let mut client = world.connect();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").send(chunk);
        let response = client.response();
        assert_eq!((response.status, response.header("connection")), (400, Some("close")), "{chunk:?}");
        assert!(client.is_closed());
        assert_eq!(backend.requests().len(), 0, "{chunk:?}: no whole request came");
    }
}

#[test]
fn too_long_a_head_is_431() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(101));
    for head in [long, many] {
        let mut client = world.connect();
        client.send(head);
        assert_eq!(client.response().status, 431);
        assert!(client.is_closed());
    }
    assert_eq!(world.stat("http.ingress_http.downstream_rq_too_large"), 2);
}

#[test]
fn a_request_cut_short_reaches_the_endpoint_as_cut_short() {
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").half_close();
    assert!(client.is_closed());
    assert_eq!(backend.requests().len(), 0);
}
