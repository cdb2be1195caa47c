//! What an endpoint may do wrong, and that a client never takes a piece of an answer for the whole.

use super::backend::Backend;
use super::client::Aborted;
use super::world::to;

#[test]
fn ambiguous_responses_are_502() {
    for bad in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\nx y\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "what?\r\n\r\n",
    ] {
        let backend = Backend::answering_once(bad);
        let world = to(&[backend.address]).start();
        let mut client = world.connect();
        assert_eq!(client.get("/").status, 502, "{bad:?}");
        assert_eq!(backend.requests().len(), 1, "{bad:?}: what was looked at is not tried again");
    }
}

#[test]
fn a_truncated_body_is_an_aborted_response() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ] {
        let backend = Backend::answering_once(cut);
        let world = to(&[backend.address]).start();
        let mut client = world.connect();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.try_response(false).unwrap_err(), Aborted, "{cut:?}");
    }
}

#[test]
fn an_endpoint_that_closes_without_a_word_is_503() {
    let backend = Backend::answering_once("");
    let world = to(&[backend.address]).start();
    assert_eq!(world.connect().get("/").status, 503);
    assert_eq!(world.stat("cluster.backend.upstream_rq_503"), 1);
}

#[test]
fn more_bytes_than_announced_are_nobodys_response() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    );
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "hi");
    }
    assert_eq!(backend.connections(), 3, "a connection with something left on it is not used again");
}

#[test]
fn an_early_answer_ends_the_upload() {
    let backend = Backend::start(|mut conn| {
        conn.request_head();
        conn.send("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig");
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\nstart");
    let response = client.response();
    assert_eq!((response.status, response.text()), (413, "big"));
    assert!(client.is_closed());
}
