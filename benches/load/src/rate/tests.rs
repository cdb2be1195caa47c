use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// Answers each request at once, but for one.
fn stalls_at(which: usize, stall: Duration) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        for number in 0.. {
            if stream.read(&mut buffer).unwrap_or(0) == 0 {
                return;
            }
            if number == which {
                std::thread::sleep(stall);
            }
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").is_err() {
                return;
            }
        }
    });
    address
}

#[test]
fn what_was_due_during_a_stall_is_late_too() {
    let stall = Duration::from_millis(400);
    let load =
        Load { to: stalls_at(5, stall), host: "a".into(), path: "/".into(), connections: 1, seconds: 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (taken, failed) = tokio::task::LocalSet::new().block_on(&runtime, times(load, 100)).unwrap();
    assert_eq!((taken.len(), failed), (100, 0), "one every 10 ms, whatever happens");
    // The one that waited, and of those that should have gone out meanwhile the first thirty by more than 100 ms.
    let late = taken.iter().filter(|time| **time > 100_000).count();
    assert!(late >= 25, "{late} of {taken:?}");
}
