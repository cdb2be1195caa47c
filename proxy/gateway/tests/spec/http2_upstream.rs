//! HTTP/2 towards endpoints: one connection for many, farewells that cost nobody a request, PINGs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3::{Http2ProtocolOptions, KeepaliveSettings};
use forebay_proto::google::protobuf;
use http::Response;
use tokio::net::TcpListener;

use super::background::Background;
use super::world::{Setup, to, until};

/// Serves so many requests on each connection, then says GOAWAY and ends what it has begun. Counts connections.
fn leaving(runtime: &Background, after: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut served = 0;
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    served += 1;
                    if served == after {
                        connection.graceful_shutdown();
                    }
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        if let Ok(mut body) = respond.send_response(Response::new(()), false) {
                            let _ = body.send_data(Bytes::from("there"), true);
                        }
                    });
                }
            });
        }
    });
    (address, connections)
}

fn pinging(setup: Setup) -> Setup {
    let some = |nanos| Some(protobuf::Duration { seconds: 0, nanos });
    setup.cluster(move |cluster: &mut Cluster| {
        cluster.typed_extension_protocol_options.clear();
        cluster.http2_protocol_options = Some(Http2ProtocolOptions {
            connection_keepalive: Some(KeepaliveSettings {
                interval: some(50_000_000),
                timeout: some(200_000_000),
                ..Default::default()
            }),
            ..Default::default()
        });
    })
}

#[test]
fn a_goaway_fails_no_request() {
    let runtime = Background::start();
    let (address, connections) = leaving(&runtime, 7);
    let world = to(&[address]).h2c().start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = world.connect();
                for _ in 0..40 {
                    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
                    let response = client.response();
                    assert_eq!((response.status, response.text()), (200, "there"));
                }
            });
        }
    });
    let connections = connections.load(Ordering::SeqCst);
    assert!(connections >= 160 / 8, "{connections} connections were said goodbye on");
    until("all is over", || world.stat("cluster.backend.upstream_rq_active") == 0);
}

#[test]
fn requests_that_come_at_once_share_the_connection_that_is_being_opened() {
    let runtime = Background::start();
    let (address, connections) = leaving(&runtime, usize::MAX);
    let world = to(&[address]).h2c().start();
    let mut clients: Vec<_> = (0..20).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_http2_total"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_total"), 1);
    assert_eq!(world.stat("cluster.backend.upstream_cx_active"), 1);
}

#[test]
fn a_connection_that_answers_no_ping_is_closed() {
    let runtime = Background::start();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    // Each connection takes one request and is not looked at again: nobody answers its PINGs.
    runtime.spawn(async move {
        let mut asleep = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            asleep.push((connection.accept().await, connection));
        }
    });
    let world = pinging(to(&[address])).start();
    let response = world.connect().get("/");
    assert_eq!(response.status, 503);
    assert!(world.stat("cluster.backend.http2.keepalive_timeout") >= 1);
}

#[test]
fn a_connection_that_answers_its_pings_stays() {
    let runtime = Background::start();
    let (address, connections) = leaving(&runtime, usize::MAX);
    let world = pinging(to(&[address])).start();
    let mut client = world.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/").status, 200);
        std::thread::sleep(Duration::from_millis(150));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    assert_eq!(world.stat("cluster.backend.http2.keepalive_timeout"), 0);
}
