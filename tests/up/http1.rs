//! HTTP/1 as clients really speak it: 1.0, keep-alive, pipelines, HEAD, Expect, half-closed sockets.

use std::time::Duration;

use crate::support::forebay::Forebay;
use crate::support::h1::{self, Connection, Framing};
use crate::support::manifest::hello;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn http10_gets_an_answer_it_can_read_and_a_closed_connection() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("GET /stream?n=3&ms=1 HTTP/1.0\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    let answer = connection.response().await.unwrap();
    assert_eq!(answer.status, 200);
    assert_ne!(answer.framing(), Framing::Chunked, "HTTP/1.0 knows no chunks: {answer:?}");
    assert_eq!(answer.text(), "line 1\nline 2\nline 3\n");
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn http10_may_keep_its_connection_alive() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    for _ in 0..2 {
        connection
            .send(format!("GET / HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\r\n"))
            .await
            .unwrap();
        let answer = connection.response().await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "Hello World!\n"));
        if answer.closes() {
            // Allowed; then it must say so and do so.
            assert!(connection.is_closed().await);
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_closes_when_asked() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    for _ in 0..20 {
        assert_eq!(connection.get(HOST, "/").await.unwrap().text(), "Hello World!\n");
    }
    connection.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")).await.unwrap();
    let answer = connection.response().await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.closes(), "{answer:?}");
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    let requests: String =
        [201, 202, 203].map(|code| format!("GET /status/{code} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).concat();
    connection.send(requests).await.unwrap();
    for code in [201, 202, 203] {
        assert_eq!(connection.response().await.unwrap().status, code);
    }
}

#[tokio::test]
async fn head_has_the_headers_and_no_body() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("HEAD /bytes?n=1000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    let head = connection.head().await.unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("1000")));
    // The next answer begins right after it.
    assert_eq!(connection.get(HOST, "/").await.unwrap().text(), "Hello World!\n");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    for code in [204, 304] {
        assert_eq!(connection.get(HOST, &format!("/status/{code}")).await.unwrap().status, code);
    }
    assert_eq!(connection.get(HOST, "/").await.unwrap().status, 200);
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection
        .send(format!(
            "POST /sink HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await
        .unwrap();
    assert_eq!(connection.head().await.unwrap().status, 100);
    connection.send("hello").await.unwrap();
    let answer = connection.response().await.unwrap();
    assert_eq!((answer.status, answer.json()["bytes"].as_u64()), (200, Some(5)));
}

#[tokio::test]
async fn expect_100_continue_does_not_keep_a_body_that_came_anyway() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection
        .send(format!(
            "POST /sink HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
        ))
        .await
        .unwrap();
    let mut answer = connection.response().await.unwrap();
    if answer.status == 100 {
        answer = connection.response().await.unwrap();
    }
    assert_eq!((answer.status, answer.json()["bytes"].as_u64()), (200, Some(5)));
}

#[tokio::test]
async fn a_client_that_closed_its_sending_half_still_gets_its_answer() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("GET /sleep?ms=300 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    connection.finish().await.unwrap();
    let mut answer = connection.response().await.unwrap();
    // An interim answer is how the gateway learns that a silent client is still there.
    while answer.status == 100 {
        answer = connection.response().await.unwrap();
    }
    assert_eq!(answer.text(), "slept 300 ms\n");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_break_off() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("GET /stream?n=1000&ms=50 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    assert_eq!(connection.head().await.unwrap().status, 200);
    assert!(connection.chunk().await.unwrap().is_some());
    let _ = tokio::io::AsyncWriteExt::shutdown(&mut crash(&forebay).await).await;
    let mut last = connection.chunk().await;
    while let Ok(Some(_)) = last {
        last = connection.chunk().await;
    }
    assert!(last.is_err(), "a body cut short must not end like a whole one");
}

#[tokio::test]
async fn an_idle_connection_stays_open() {
    let forebay = up().await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    assert_eq!(connection.get(HOST, "/").await.unwrap().status, 200);
    assert!(connection.is_silent(Duration::from_secs(2)).await);
    assert_eq!(connection.get(HOST, "/").await.unwrap().status, 200);
}

#[tokio::test]
async fn absolute_and_asterisk_targets() {
    let forebay = up().await;
    let ask = format!("GET http://{HOST}/headers HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    let answer = h1::exchange(forebay.address, ask).await;
    assert_eq!((answer.status, answer.json()["uri"].as_str()), (200, Some("/headers")));
}

async fn up() -> Forebay {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    assert_eq!(forebay.get(HOST, "/").await.status, 200);
    forebay
}

/// Lets the app end in the middle of everything.
async fn crash(forebay: &Forebay) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(forebay.address).await.unwrap();
    let ask = format!("GET /crash HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut stream, ask.as_bytes()).await.unwrap();
    stream
}
