//! What a client's connection costs while nothing is asked on it: bytes that are live, counted by the program's allocator. Alone
//! in its process, and one test, so that nobody else allocates.
#![allow(unreachable_pub, reason = "what tests share is public within the test")]
#![allow(dead_code, reason = "shared with the specification, which uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on fails here; its figure is of use"
)]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

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

const CONNECTIONS: usize = 400;

/// Of the 2 KiB that an idle connection may cost the whole process.
const BOUND: usize = 1_700;

/// A connection keeps the room of a request for a second after one.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_connection_is_small() {
    let world = world::to(&[endpoint()]).start();
    // What grows with the first of anything has grown.
    let _before = connect(world.address, 20);
    quiet(|live| live);
    let before = quiet(|live| live);
    let _clients = connect(world.address, CONNECTIONS);
    let each = quiet(|live| live.saturating_sub(before) / CONNECTIONS);
    println!("{each} bytes an idle connection");
    assert!(each <= BOUND, "{each} bytes an idle connection");
}

/// Clients that have asked once and stay.
fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: a.example.com\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let n = client.read(&mut answer).unwrap();
        assert!(answer[..n].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..n]));
        clients.push(client);
    }
    clients
}

/// A figure of the live bytes, once it has not fallen for longer than a connection stays warm.
fn quiet(figure: impl Fn(usize) -> usize) -> usize {
    let (begun, mut least, mut since) = (Instant::now(), usize::MAX, Instant::now());
    while since.elapsed() < Duration::from_secs(3) && begun.elapsed() < PATIENCE {
        let stats = ALLOCATOR.stats();
        let now = figure(stats.bytes_allocated - stats.bytes_deallocated);
        if now < least {
            (least, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    least
}

/// Answers every request alike, one thread for each connection of the few that a gateway keeps.
fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                let mut have = 0;
                while let Ok(n) = stream.read(&mut buffer[have..]) {
                    have += n;
                    if n == 0 {
                        return;
                    }
                    if buffer[..have].ends_with(b"\r\n\r\n") {
                        have = 0;
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
                    }
                }
            });
        }
    });
    address
}
