//! Bodies: how they are framed on the way, and that they arrive whole with little memory.

use std::io::{Read, Write};

use super::backend::Backend;
use super::world::to;

#[test]
fn a_length_stays_a_length_both_ways() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nthere");
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    let response = client.response();
    assert_eq!((response.text(), response.header("content-length")), ("there", Some("5")));
    let request = backend.request();
    assert_eq!((&*request.body, request.header("content-length")), (&b"hi"[..], Some("2")));
}

#[test]
fn chunks_stay_chunks_both_ways_and_their_trailers_pass() {
    let backend = Backend::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nth\r\n3;ext=1\r\nere\r\n0\r\nx-sum: 9\r\n\r\n",
    );
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("1\r\nh\r\n").send("1;x\r\ni\r\n").send("0\r\nx-more: yes\r\ncontent-length: 7\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "there");
    assert_eq!(response.trailers, [("x-sum".to_owned(), "9".to_owned())]);
    let request = backend.request();
    assert_eq!((&*request.body, request.chunked), (&b"hi"[..], true));
    assert_eq!(request.trailers, "x-more: yes", "framing fields are no trailers");
    assert_eq!(client.get("/").text(), "there", "the connection goes on");
}

#[test]
fn a_body_that_ends_with_its_connection_becomes_chunks() {
    let backend = Backend::answering_once("HTTP/1.1 200 OK\r\n\r\nall there is");
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    let response = client.get("/");
    assert_eq!((response.text(), response.header("transfer-encoding")), ("all there is", Some("chunked")));
    assert_eq!(client.get("/").text(), "all there is");
}

#[test]
fn responses_without_a_body_have_none() {
    for (status, request_method) in [(204, "GET"), (304, "GET"), (200, "HEAD")] {
        let backend = Backend::answering(format!("HTTP/1.1 {status} X\r\nx-a: b\r\n\r\n"));
        let world = to(&[backend.address]).start();
        let mut client = world.connect();
        for _ in 0..2 {
            client.send(format!("{request_method} / HTTP/1.1\r\nhost: a\r\n\r\n"));
            let response = client.response_to_head();
            assert_eq!((response.status, response.header("x-a")), (status, Some("b")));
            // Of an answer to HEAD it says what GET would have got.
            let announced = (request_method == "HEAD").then_some("chunked");
            assert_eq!(response.header("transfer-encoding"), announced);
        }
    }
}

#[test]
fn the_length_that_head_tells_is_kept() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.response_to_head().header("content-length"), Some("1234"));
    }
}

#[test]
fn a_token_stream_is_not_held_back() {
    let backend = Backend::start(|mut conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for i in 0..5 {
            conn.send(format!("2\r\n{i};\r\n"));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        conn.send("0\r\n\r\n");
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.head().unwrap();
    for i in 0..5 {
        assert_eq!(client.exactly(7).unwrap(), format!("2\r\n{i};\r\n").as_bytes());
    }
}

#[test]
fn big_bodies_go_both_ways_at_once_unharmed() {
    // An echo: the response's body is the request's, so neither side may wait for the other to end.
    let backend = Backend::start(|mut conn| {
        let head = conn.request_head().unwrap();
        assert_eq!(head.header("content-length"), Some("8388608"));
        conn.send("HTTP/1.1 200 OK\r\ncontent-length: 8388608\r\n\r\n");
        let mut left = 8_388_608usize;
        while left > 0 {
            let piece = conn.exactly(left.min(64 * 1024)).unwrap();
            left -= piece.len();
            conn.send(&piece);
        }
    });
    let world = to(&[backend.address]).start();
    let mut client = world.connect();
    let data: Vec<u8> = (0..8_388_608u32).map(|i| ((i * 31) >> 7) as u8).collect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8388608\r\n\r\n");
    let mut sending = client.stream.try_clone().unwrap();
    let sent = data.clone();
    let sender = std::thread::spawn(move || sending.write_all(&sent).unwrap());
    let response = client.response();
    assert!(response.body == data, "what came back is what was sent");
    sender.join().unwrap();
}

#[test]
fn a_slow_reader_stops_the_endpoint_and_not_the_gateway() {
    let backend = Backend::start(|mut conn| {
        conn.request();
        conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 64 << 20));
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..1024 {
            conn.send(&piece);
        }
    });
    let world = to(&[backend.address]).start();
    let mut slow = world.connect();
    slow.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    slow.head().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let resident = resident_kib();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(resident_kib() < resident + 16 * 1024, "64 MiB are not taken in for a client that reads nothing");
    let mut left = 64usize << 20;
    let mut piece = vec![0; 1 << 16];
    left -= slow.read_ahead().len();
    while left > 0 {
        left -= slow.stream.read(&mut piece).unwrap();
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}
