//! What a warm request costs in memory operations: none. The program's allocator counts them.
#![allow(unreachable_pub, reason = "what tests share is public within the test")]
#![allow(dead_code, reason = "shared with the specification, which uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[path = "spec/background.rs"]
mod background;
#[path = "spec/client.rs"]
mod client;
#[path = "support/resources.rs"]
mod resources;
#[path = "spec/world.rs"]
mod world;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: usize = 4_000;
/// Reports of load allocate by the second, and a log's full buffer goes to its file's thread every hundred lines or so: far
/// below one each.
const BESIDE: usize = REQUESTS / 20;

#[test]
fn a_warm_request_allocates_nothing() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let plain = world::to(&[endpoint()]);
    let counted = world::to(&[endpoint()])
        .manager(|m| m.access_log = vec![resources::access_log(log.path(), None)])
        .revision(
            resources::Revision::new()
                .number("container_concurrency", 10.0)
                .number("max_waiting", 100.0)
                .number("max_waiting_bytes", 1e6)
                .number("timeout_ms", 60_000.0),
        );
    for (what, setup) in [("a plain cluster", plain), ("a revision with a log", counted)] {
        let world = setup.start();
        let mut client = TcpStream::connect(world.address).unwrap();
        client.set_nodelay(true).unwrap();
        for (kind, request) in REQUEST_KINDS {
            ask(&mut client, request, 500);
            let region = Region::new(ALLOCATOR);
            ask(&mut client, request, REQUESTS);
            let made = region.change();
            assert!(
                made.allocations + made.reallocations <= BESIDE,
                "{what}, {kind}: {made:?} in {REQUESTS} requests"
            );
        }
    }
}

const REQUEST_KINDS: [(&str, &[u8]); 2] = [
    ("GET", b"GET /a/path?x=1 HTTP/1.1\r\nhost: a.example.com\r\nuser-agent: guard\r\naccept: */*\r\n\r\n"),
    ("POST", b"POST / HTTP/1.1\r\nhost: a.example.com\r\ncontent-length: 5\r\n\r\nhello"),
];

/// Sends and reads without allocating.
fn ask(client: &mut TcpStream, request: &[u8], times: usize) {
    let mut buffer = [0u8; 4096];
    for _ in 0..times {
        client.write_all(request).unwrap();
        let mut read = 0;
        while !buffer[..read].ends_with(ANSWER_BODY) {
            let n = client.read(&mut buffer[read..]).unwrap();
            assert!(n > 0, "the gateway closed: {}", String::from_utf8_lossy(&buffer[..read]));
            read += n;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
    }
}

const ANSWER_BODY: &[u8] = b"Hello, guard!";

/// Answers every request alike, and allocates nothing once a connection stands.
fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0u8; 4096];
                let mut have = 0;
                loop {
                    match stream.read(&mut buffer[have..]) {
                        Ok(n) if n > 0 => have += n,
                        _ => return,
                    }
                    let Some(head) = buffer[..have].windows(4).position(|w| w == b"\r\n\r\n") else {
                        continue;
                    };
                    let body = if buffer.starts_with(b"POST") { 5 } else { 0 };
                    if have < head + 4 + body {
                        continue;
                    }
                    have = 0;
                    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n";
                    let mut answer = [0u8; 64];
                    answer[..head.len()].copy_from_slice(head);
                    answer[head.len()..][..ANSWER_BODY.len()].copy_from_slice(ANSWER_BODY);
                    if stream.write_all(&answer[..head.len() + ANSWER_BODY.len()]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
