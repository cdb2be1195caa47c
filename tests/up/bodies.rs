//! Bodies of any size pass with constant memory, and their length and bytes are right at the other end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::support::forebay::Forebay;
use crate::support::h1::{self, Connection};
use crate::support::manifest::hello;
use crate::support::process;

const HOST: &str = "hello.default.localhost";

const LARGE: usize = 200_000_000;

/// What forebay may grow by while 200 MB pass, in KiB: buffers of a few connections, far from the body's size.
const FLAT: u64 = 16 << 10;

#[tokio::test]
async fn two_hundred_megabytes_down() {
    let forebay = warm().await;
    let watch = Memory::watch(forebay.pid());
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("GET /bytes?n={LARGE} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    let head = connection.head().await.unwrap();
    assert_eq!(head.header("content-length"), Some(LARGE.to_string().as_str()));
    let mut count = 0;
    while count < LARGE {
        let piece = connection.some().await.unwrap();
        assert!(!piece.is_empty(), "broke off after {count}");
        // One byte of each piece tells whether anything before it was lost or doubled.
        assert_eq!(usize::from(piece[0]), count % 251);
        count += piece.len();
    }
    assert_eq!(count, LARGE);
    assert!(watch.growth() < FLAT, "grew by {} KiB", watch.growth());
}

#[tokio::test]
async fn two_hundred_megabytes_up() {
    let forebay = warm().await;
    let watch = Memory::watch(forebay.pid());
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection
        .send(format!("POST /sink HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {LARGE}\r\n\r\n"))
        .await
        .unwrap();
    let piece = vec![b'x'; 1_000_000];
    for _ in 0..LARGE / piece.len() {
        connection.send(&piece).await.unwrap();
    }
    let answer = connection.response().await.unwrap();
    assert_eq!((answer.status, answer.json()["bytes"].as_u64()), (200, Some(LARGE as u64)));
    assert!(watch.growth() < FLAT, "grew by {} KiB", watch.growth());
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_the_writer_not_the_memory() {
    let forebay = warm().await;
    let watch = Memory::watch(forebay.pid());
    let mut slow = Vec::new();
    for _ in 0..10 {
        let mut connection = Connection::open(forebay.address).await.unwrap();
        connection.send(format!("GET /bytes?n={LARGE} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
        assert_eq!(connection.head().await.unwrap().status, 200);
        slow.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(watch.growth() < FLAT, "grew by {} KiB", watch.growth());
}

#[tokio::test]
async fn every_framing_carries_the_same_bytes() {
    let forebay = warm().await;
    let body = "0123456789".repeat(1_000);
    let whole =
        format!("POST /sink HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let whole = h1::exchange(forebay.address, whole).await.json();
    let mut cut = format!("POST /sink HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body.as_bytes().chunks(333) {
        cut += &format!("{:X};ext=\"a;b\"\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap());
    }
    let cut = h1::exchange(forebay.address, cut + "0\r\nX-Trailer: t\r\n\r\n").await.json();
    assert_eq!(whole["bytes"], 10_000);
    assert_eq!(whole, cut);
}

async fn warm() -> Forebay {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    // Both ways once, so that what is measured next is growth by size and not by first use.
    assert_eq!(forebay.get(HOST, "/bytes?n=1000000").await.body.len(), 1_000_000);
    forebay
}

/// The most resident memory a process has while it is watched.
struct Memory {
    start: u64,
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Memory {
    fn watch(pid: u32) -> Self {
        let start = process::resident(pid);
        let memory = Self { start, most: Arc::new(AtomicU64::new(start)), over: Arc::default() };
        let (most, over) = (Arc::clone(&memory.most), Arc::clone(&memory.over));
        std::thread::spawn(move || {
            while !over.load(Relaxed) && process::is_alive(pid) {
                most.fetch_max(process::resident(pid), Relaxed);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        memory
    }

    fn growth(&self) -> u64 {
        self.most.load(Relaxed) - self.start
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
    }
}
