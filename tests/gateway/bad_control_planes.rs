//! What a control plane can do wrong: the last good configuration stays, a line says what is wrong, and nothing else suffers.

use bytes::Bytes;
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::listener::v3::Listener;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::plane::Plane;
use crate::resources::routes;
use crate::streams::{answering, listener, settle};
use crate::support::until;
use crate::world::{Gateway, ask, bootstrap};

#[tokio::test]
async fn one_that_is_absent_or_speaks_something_else_is_tried_again() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let mut gateway = Gateway::start(&bootstrap(address), &[]).await;
    gateway.logs("no control plane").await;
    assert_eq!(gateway.admin("GET", "/ready").await.status, 503);
    // Somebody else is there now, and hangs up after a word.
    let socket = TcpListener::bind(address).await.unwrap();
    for _ in 0..2 {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut some = [0; 64];
        let _ = stream.read(&mut some).await;
        let _ = stream.try_write(b"220 mail.example.com ESMTP\r\n");
    }
    assert!(gateway.is_alive());
}

#[tokio::test]
async fn one_that_says_nothing_keeps_nobody_from_asking() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    stream.request().await;
    assert_eq!(gateway.admin("GET", "/ready").await.status, 503);
    assert!(gateway.admin("GET", "/listeners").await.text().is_empty());
}

#[tokio::test]
async fn garbage_on_the_stream_ends_the_stream_alone() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;
    stream.raw(Bytes::from_static(&[0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]));
    gateway.logs("everything it sent stays in use").await;
    assert_eq!(ask(at, "GET", "a.test", "/").await.text(), "a");
    let mut again = plane.stream().await;
    let first = again.request().await;
    assert_eq!(first.version_info, "1");
}

#[tokio::test]
async fn a_resource_twice_is_refused_by_name_and_the_others_hold() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let named = |name: &str| Cluster { name: name.to_owned(), ..Cluster::default() };
    let nonce = stream.send("2", &[named("one"), named("one"), named("two")]);
    let (version, error) = stream.answer(&nonce).await;
    assert_eq!(version, "1", "a NACK keeps the version");
    assert_eq!(error.as_deref(), Some("one: appears twice in one response"));
    until("the good ones", async || gateway.admin("GET", "/clusters").await.text().contains("two::")).await;
}

#[tokio::test]
async fn one_bad_resource_takes_no_good_one_along() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;
    let bad = Listener { name: "bad".to_owned(), ..Listener::default() };
    let nonce = stream.send("2", &[bad, listener()]);
    let (version, error) = stream.answer(&nonce).await;
    assert_eq!(version, "1");
    assert!(error.unwrap().starts_with("bad: "), "it is named");
    assert_eq!(ask(at, "GET", "a.test", "/").await.text(), "a");
    let dump = gateway.admin("GET", "/config_dump").await;
    assert!(dump.text().contains("error_state"), "{}", dump.text());
    // Right again: nothing is held against it.
    let nonce = stream.send("3", &[listener()]);
    assert_eq!(stream.answer(&nonce).await, ("3".to_owned(), None));
}

#[tokio::test]
async fn a_hundred_megabytes_are_read_and_a_refusal_in_them_is_found() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;
    // One host of 100 MB: a name that no host can have is refused, after all of it has been read.
    let mut large = answering("large");
    large.name = "x".repeat(100 << 20);
    large.domains = vec!["a*b".to_owned()];
    let nonce = stream.send("2", &[routes(vec![answering("a"), large])]);
    let (version, error) = stream.answer(&nonce).await;
    assert_eq!(version, "1");
    assert!(error.unwrap().contains("virtual_hosts[1]"));
    assert_eq!(ask(at, "GET", "a.test", "/").await.text(), "a");
}
