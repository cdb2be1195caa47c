//! Websockets where either side speaks HTTP/2: extended CONNECT (RFC 8441) instead of an upgrade.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use forebay_proto::envoy::config::core::v3::Http2ProtocolOptions;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{Method, Request, Response};

use super::backend::Backend;
use super::background::Background;
use super::h2c;
use super::world::{PATIENCE, Setup, World, to};

fn allowed(setup: Setup) -> World {
    setup
        .manager(|manager| {
            manager.http2_protocol_options =
                Some(Http2ProtocolOptions { allow_connect: true, ..Default::default() });
        })
        .start()
}

/// An endpoint of HTTP/1.1 that upgrades and echoes.
fn echo() -> Backend {
    Backend::start(|mut conn| {
        conn.request();
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: proof\r\n\r\n",
        );
        while let Some(byte) = conn.exactly(1) {
            conn.send(byte);
        }
    })
}

/// An endpoint of HTTP/2 that takes extended CONNECT and echoes; anything else is 400.
fn echo_h2(runtime: &Background) -> SocketAddr {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                builder.enable_connect_protocol();
                let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        let protocol = request.extensions().get::<Protocol>().map(|p| p.as_str().to_owned());
                        let fits = request.method() == Method::CONNECT
                            && protocol.as_deref() == Some("websocket")
                            && request.uri().path() == "/chat"
                            && !request.headers().contains_key("upgrade");
                        let status = if fits { 200 } else { 400 };
                        let response = Response::builder().status(status).body(()).unwrap();
                        let mut out = respond.send_response(response, !fits).unwrap();
                        let mut body = request.into_body();
                        while let Some(Ok(piece)) = body.data().await {
                            body.flow_control().release_capacity(piece.len()).unwrap();
                            h2c::send_all(&mut out, piece).await;
                        }
                        let _ = out.send_data(Bytes::new(), true);
                    });
                }
            });
        }
    });
    address
}

fn extended_connect() -> Request<()> {
    let mut request = Request::builder().method(Method::CONNECT).uri("http://a/chat").body(()).unwrap();
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request
}

/// Whether the gateway announces extended CONNECT, once its settings have come.
async fn announced(send: &mut SendRequest<Bytes>) -> bool {
    for _ in 0..100 {
        if send.is_extended_connect_protocol_enabled() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    false
}

/// The endpoint's end is the stream's, and nothing comes before it.
async fn ends(body: &mut h2::RecvStream) {
    while let Some(piece) = body.data().await {
        assert!(piece.unwrap().is_empty());
    }
}

#[test]
fn a_client_of_http2_reaches_an_endpoint_of_http1() {
    let backend = echo();
    let world = allowed(to(&[backend.address]));
    let head = world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        assert!(announced(&mut send).await);
        let (response, mut out) = send.send_request(extended_connect(), false).unwrap();
        let (head, mut body) = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap().into_parts();
        for word in ["one", "two"] {
            out.send_data(Bytes::from(word), false).unwrap();
            let mut got = Vec::new();
            while got.len() < word.len() {
                got.extend_from_slice(&body.data().await.unwrap().unwrap());
            }
            assert_eq!(got, word.as_bytes());
        }
        out.send_data(Bytes::new(), true).unwrap();
        ends(&mut body).await;
        head
    });
    assert_eq!(head.status, 200);
    for name in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!head.headers.contains_key(name), "{head:?}");
    }
    let request = backend.request();
    assert_eq!((request.line(), request.header("upgrade")), ("GET /chat HTTP/1.1", Some("websocket")));
    assert_eq!(request.header("sec-websocket-key").map(str::len), Some(24), "HTTP/1.1 insists on one");
}

#[test]
fn a_client_of_http1_reaches_an_endpoint_of_http2() {
    let runtime = Background::start();
    let world = to(&[echo_h2(&runtime)]).h2c().start();
    let mut client = world.connect();
    client.send(
        "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let response = client.response();
    assert_eq!((response.status, response.header("upgrade")), (101, Some("websocket")));
    assert_eq!(response.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    for word in ["one", "two"] {
        client.send(word);
        assert_eq!(client.exactly(word.len()).unwrap(), word.as_bytes());
    }
    client.half_close();
    assert_eq!(client.rest().unwrap(), b"");
    assert_eq!(world.stat("http.ingress_http.downstream_cx_upgrades_total"), 1);
}

#[test]
fn both_sides_may_speak_http2() {
    let runtime = Background::start();
    let world = allowed(to(&[echo_h2(&runtime)]).h2c());
    world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        assert!(announced(&mut send).await);
        let (response, mut out) = send.send_request(extended_connect(), false).unwrap();
        let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        out.send_data(Bytes::from("word"), true).unwrap();
        assert_eq!(&body.data().await.unwrap().unwrap()[..], b"word");
        ends(&mut body).await;
    });
}

#[test]
fn an_endpoint_of_http2_may_say_no() {
    let runtime = Background::start();
    let world = to(&[echo_h2(&runtime)]).h2c().start();
    let mut client = world.connect();
    client.send("GET /other HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 400);
}

#[test]
fn it_is_announced_only_where_the_listener_allows_it() {
    let backend = echo();
    let world = to(&[backend.address]).start();
    world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        assert!(!announced(&mut send).await);
        let (response, _out) = send.send_request(extended_connect(), false).unwrap();
        assert!(tokio::time::timeout(PATIENCE, response).await.unwrap().is_err());
    });
    assert_eq!(backend.requests().len(), 0);
}

#[test]
fn a_plain_connect_has_no_route() {
    let backend = echo();
    let world = allowed(to(&[backend.address]));
    let mut client = world.connect();
    client.send("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n");
    assert_eq!(client.response().status, 404);
    let status = world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        let request = Request::builder().method(Method::CONNECT).uri("a:80").body(()).unwrap();
        let (response, _out) = send.send_request(request, false).unwrap();
        tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap().status()
    });
    assert_eq!(status, 404);
    assert_eq!(backend.requests().len(), 0);
}
