//! What a warm request costs in memory operations: none, with a breaker and all clocks, while nobody watches. The program's
//! allocator counts them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails here")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use forebay_queue::{Config, QueueProxy};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::task::LocalSet;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: usize = 4_000;
/// Each second's report, far below one each.
const BESIDE: usize = REQUESTS / 20;

const HEAD: &str = "user-agent: guard\r\naccept: */*\r\nx-forwarded-for: 192.0.2.1\r\nforwarded: for=192.0.2.1\r\n\
                    k-proxy-request: activator\r\nknative-serving-revision: r\r\nknative-serving-namespace: n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, guard!";

#[test]
fn a_warm_request_allocates_nothing() {
    for concurrency in ["0", "10"] {
        let proxy = start(app(), concurrency);
        let mut client = TcpStream::connect(proxy).unwrap();
        client.set_nodelay(true).unwrap();
        for (kind, line, body) in [("GET", "GET /a/path?x=1", ""), ("POST", "POST /", "hello")] {
            let length =
                if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let request = format!("{line} HTTP/1.1\r\nhost: a.example.com\r\n{HEAD}{length}\r\n{body}");
            ask(&mut client, request.as_bytes(), 500);
            let region = Region::new(ALLOCATOR);
            ask(&mut client, request.as_bytes(), REQUESTS);
            let made = region.change();
            assert!(
                made.allocations + made.reallocations <= BESIDE,
                "containerConcurrency {concurrency}, {kind}: {made:?} in {REQUESTS} requests"
            );
        }
    }
}

/// A queue-proxy on a thread of its own, for the rest of the process.
fn start(app: SocketAddr, concurrency: &'static str) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let port = app.port().to_string();
        let get = |name: &str| {
            let value = match name {
                "CONTAINER_CONCURRENCY" => concurrency,
                "USER_PORT" => &port,
                "QUEUE_SERVING_PORT" | "QUEUE_SERVING_TLS_PORT" => "8012",
                "REVISION_TIMEOUT_SECONDS" => "300",
                "REVISION_RESPONSE_START_TIMEOUT_SECONDS" | "REVISION_IDLE_TIMEOUT_SECONDS" => "60",
                "FOREBAY_QUEUE_ADDRESS" => "127.0.0.1",
                "FOREBAY_QUEUE_ADMIN_PORT" | "FOREBAY_QUEUE_STATS_PORT" => "0",
                "FOREBAY_QUEUE_CERTIFICATES" => "/nonexistent",
                name if name.starts_with("SERVING_") && name != "SERVING_READINESS_PROBE" => "x",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let mut config = Config::from_env(get).unwrap();
        config.ports.main = 0;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            let proxy = QueueProxy::start(config).unwrap();
            tell.send(proxy.addresses().main).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

/// Sends and reads without allocating.
fn ask(client: &mut TcpStream, request: &[u8], times: usize) {
    let mut buffer = [0u8; 4096];
    for _ in 0..times {
        client.write_all(request).unwrap();
        let mut read = 0;
        while !buffer[..read].ends_with(b"Hello, guard!") {
            let n = client.read(&mut buffer[read..]).unwrap();
            assert!(n > 0, "it closed: {}", String::from_utf8_lossy(&buffer[..read]));
            read += n;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
    }
}

/// Answers every request alike, and allocates nothing once a connection stands.
fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0u8; 4096];
                let mut have = 0;
                while let Ok(n) = stream.read(&mut buffer[have..])
                    && n > 0
                {
                    have += n;
                    let head = buffer[..have].windows(4).position(|w| w == b"\r\n\r\n");
                    let body = if buffer.starts_with(b"POST") { 5 } else { 0 };
                    if head.is_some_and(|head| have >= head + 4 + body) {
                        have = 0;
                        if stream.write_all(ANSWER).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}
