//! What arrives is passed on: no buffer waits to be full, in either direction, over HTTP/1 and HTTP/2.

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::support::forebay::Forebay;
use crate::support::h1::Connection;
use crate::support::manifest::hello;
use crate::support::soon;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn events_arrive_one_by_one() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection.send(format!("GET /sse?n=3&ms=400 HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.unwrap();
    let head = connection.head().await.unwrap();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    for number in 1..=3 {
        let event = String::from_utf8(connection.chunk().await.unwrap().unwrap()).unwrap();
        assert_eq!(event, format!("id: {number}\ndata: event {number}\n\n"), "an event of its own");
    }
    assert_eq!(connection.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn http1_is_full_duplex() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut connection = Connection::open(forebay.address).await.unwrap();
    connection
        .send(format!("POST /echo HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"))
        .await
        .unwrap();
    let head = connection.head().await.unwrap();
    assert_eq!(head.status, 200, "the answer begins before the request ends");
    for word in ["one", "two", "three"] {
        connection.send(format!("{:x}\r\n{word}\r\n", word.len())).await.unwrap();
        assert_eq!(connection.chunk().await.unwrap().unwrap(), word.as_bytes());
    }
    connection.send("0\r\n\r\n").await.unwrap();
    assert_eq!(connection.chunk().await.unwrap(), None);
    connection.trailers().await.unwrap();
    assert_eq!(connection.get(HOST, "/").await.unwrap().status, 200, "and the connection is still good");
}

#[tokio::test]
async fn http2_is_full_duplex_to_an_http1_app() {
    duplex(Forebay::up(|mark| hello(mark).to_string()).await).await;
}

#[tokio::test]
async fn http2_is_full_duplex_to_an_http2_app() {
    duplex(Forebay::up(|mark| hello(mark).h2c().to_string()).await).await;
}

async fn duplex(forebay: Forebay) {
    let stream = TcpStream::connect(forebay.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("http://{HOST}/echo")).body(()).unwrap();
    let (answer, mut send) = client.send_request(request, false).unwrap();
    let mut body = soon("an answer before the request's end", answer).await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        send.send_data(Bytes::from(word), false).unwrap();
        let echoed = soon("an echo", body.data()).await.unwrap().unwrap();
        assert_eq!(echoed, word);
        body.flow_control().release_capacity(echoed.len()).unwrap();
    }
    send.send_data(Bytes::new(), true).unwrap();
    while let Some(data) = soon("the end", body.data()).await {
        assert!(data.unwrap().is_empty());
    }
}

#[tokio::test]
async fn trailers_pass_from_http1_and_http2_apps() {
    for (kind, h2c) in [("http1", false), ("h2c", true)] {
        let forebay = Forebay::up(|mark| {
            let service = hello(mark);
            if h2c { service.h2c().to_string() } else { service.to_string() }
        })
        .await;
        let stream = TcpStream::connect(forebay.address).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request =
            http::Request::get(format!("http://{HOST}/trailers")).header("te", "trailers").body(()).unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        let mut body = soon("an answer", answer).await.unwrap().into_body();
        while let Some(data) = soon("data", body.data()).await {
            body.flow_control().release_capacity(data.unwrap().len()).unwrap();
        }
        let trailers =
            body.trailers().await.unwrap().unwrap_or_else(|| panic!("trailers from an app of {kind}"));
        assert_eq!(trailers["x-check"], "0");
    }
}
