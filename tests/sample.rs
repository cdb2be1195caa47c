//! The sample app answers as its help says, over real sockets: the other tests stand on it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use support::h1::{self, Connection};
use support::sample::Sample;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn greets_its_target_and_knows_its_revision() {
    let sample =
        Sample::start(&[("TARGET", "Knative"), ("K_REVISION", "hello-00001"), ("K_SERVICE", "hello")]);
    assert_eq!(h1::get(sample.address, "x", "/").await.text(), "Hello Knative!\n");
    let revision = h1::get(sample.address, "x", "/revision").await.json();
    assert_eq!(revision["K_REVISION"], "hello-00001");
    assert_eq!(revision["concurrency"], 1);
    assert_eq!(h1::get(sample.address, "x", "/status/418").await.status, 418);
    assert_eq!(h1::get(sample.address, "x", "/nowhere").await.status, 404);
}

#[tokio::test]
async fn strict_fails_the_second_of_two_at_once_and_no_other() {
    let sample = Sample::start(&[]);
    assert_eq!(h1::get(sample.address, "x", "/strict").await.status, 200);
    let both = tokio::join!(
        h1::get(sample.address, "x", "/strict?ms=200"),
        h1::get(sample.address, "x", "/strict?ms=200")
    );
    assert_eq!(both.0.status.max(both.1.status), 500);
    assert_eq!(both.0.status.min(both.1.status), 200);
    assert_eq!(h1::get(sample.address, "x", "/strict").await.status, 200);
    let seen = h1::get(sample.address, "x", "/revision").await.json();
    assert_eq!((&seen["concurrency"], &seen["maxConcurrency"]), (&1.into(), &2.into()));
}

#[tokio::test]
async fn bytes_and_sink_agree_on_what_they_sent_and_read() {
    let sample = Sample::start(&[]);
    let sent = h1::get(sample.address, "x", "/bytes?n=100000").await;
    assert_eq!(sent.header("content-length"), Some("100000"));
    assert!(sent.body.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i % 251));
    let mut request = b"POST /sink HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".to_vec();
    request.extend(&sent.body);
    let read = h1::exchange(sample.address, request).await.json();
    assert_eq!(read["bytes"], 100_000);
    let check = sent.body.iter().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    assert_eq!(read["check"], check);
}

#[tokio::test]
async fn echo_is_full_duplex_and_returns_headers() {
    let sample = Sample::start(&[]);
    let mut connection = Connection::open(sample.address).await.unwrap();
    connection
        .send("POST /echo HTTP/1.1\r\nHost: x\r\nX-Mine: 7\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let head = connection.head().await.unwrap();
    assert_eq!(head.header("echo-x-mine"), Some("7"));
    for word in ["one", "three"] {
        connection.send(format!("{:x}\r\n{word}\r\n", word.len())).await.unwrap();
        assert_eq!(connection.chunk().await.unwrap().unwrap(), word.as_bytes());
    }
    connection.send("0\r\n\r\n").await.unwrap();
    assert_eq!(connection.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn speaks_h2c_with_trailers() {
    let sample = Sample::start(&[]);
    let stream = TcpStream::connect(sample.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://x/trailers").body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "trailers follow\n");
    assert!(body.data().await.is_none());
    assert_eq!(body.trailers().await.unwrap().unwrap()["x-check"], "0");
}

#[tokio::test]
async fn finishes_what_is_in_flight_when_told_to_leave() {
    let mut sample = Sample::start(&[]);
    let mut connection = Connection::open(sample.address).await.unwrap();
    connection.send("GET /sleep?ms=400 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    sample.tell(Signal::TERM);
    assert_eq!(connection.response().await.unwrap().text(), "slept 400 ms\n");
    assert!(sample.ended().await.success());
}

#[tokio::test]
async fn says_goodbye_on_its_websockets() {
    let mut sample = Sample::start(&[]);
    let stream = TcpStream::connect(sample.address).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://x/ws", stream).await.unwrap();
    socket.send(Message::text("hi")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hi"));
    sample.tell(Signal::TERM);
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
    drop(socket);
    assert!(sample.ended().await.success());
}

#[tokio::test]
async fn a_start_delay_is_a_time_without_a_listener() {
    let began = std::time::Instant::now();
    let _sample = Sample::start(&[("START_DELAY_MS", "300")]);
    assert!(began.elapsed() >= Duration::from_millis(300));
}
