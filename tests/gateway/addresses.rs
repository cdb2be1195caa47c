//! Where a listener listens may be taken, and may change while it runs.

use std::net::{SocketAddr, TcpListener};

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::listener::v3::{AdditionalAddress, Listener};
use forebay_proto::type_url;

use crate::plane::{Plane, Stream};
use crate::resources::{address, manager, routes};
use crate::streams::answering;
use crate::support::until;
use crate::world::{Gateway, ask, bootstrap};

/// An address of loopback whose port nobody has.
fn free(ip: &str) -> SocketAddr {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap()
}

fn listener(name: &str, at: &[SocketAddr]) -> Listener {
    let more = at[1..].iter().map(|at| AdditionalAddress { address: address(*at), ..Default::default() });
    Listener {
        name: name.to_owned(),
        additional_addresses: more.collect(),
        ..crate::resources::listener(at[0], &manager())
    }
}

async fn settle(stream: &mut Stream, listeners: &[Listener]) {
    stream.asked(type_url::CLUSTER).await;
    let nonce = stream.send::<Cluster>("1", &[]);
    assert_eq!(stream.answer(&nonce).await.1, None);
    stream.asked(type_url::LISTENER).await;
    let nonce = stream.send("1", listeners);
    assert_eq!(stream.answer(&nonce).await.1, None);
    stream.asked(type_url::ROUTE).await;
    let nonce = stream.send("1", &[routes(vec![answering("a")])]);
    assert_eq!(stream.answer(&nonce).await, ("1".to_owned(), None), "the routes are as they should be");
}

async fn answers(at: SocketAddr) {
    until(format!("an answer at {at}"), async || {
        tokio::net::TcpStream::connect(at).await.is_ok() && ask(at, "GET", "a.test", "/").await.text() == "a"
    })
    .await;
}

async fn refuses(at: SocketAddr) {
    until(format!("nobody at {at}"), async || tokio::net::TcpStream::connect(at).await.is_err()).await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_of_and_opened_once_it_is_free() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, other) = (taken.local_addr().unwrap(), free("127.0.0.1"));
    settle(&mut stream, &[listener("late", &[at]), listener("other", &[other])]).await;
    answers(other).await;
    gateway.logs("a listener cannot be opened").await;
    let dump = gateway.admin("GET", "/config_dump").await;
    assert!(dump.text().contains("is in use"), "its error state says why:\n{}", dump.text());
    drop(taken);
    answers(at).await;
    gateway.logs("a listener is open that could not be opened before").await;
    let dump = gateway.admin("GET", "/config_dump").await;
    assert!(!dump.text().contains("is in use"), "{}", dump.text());
}

#[tokio::test]
async fn a_listener_that_moves_to_an_address_that_is_taken_stays_where_it_was() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    let before = free("127.0.0.1");
    settle(&mut stream, &[listener("gateway", &[before])]).await;
    answers(before).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let nonce = stream.send("2", &[listener("gateway", &[at])]);
    let (version, error) = stream.answer(&nonce).await;
    assert_eq!(version, "1");
    assert!(error.is_some_and(|error| error.contains("gateway") && error.contains("in use")));
    answers(before).await;
    drop(taken);
    answers(at).await;
    refuses(before).await;
    let stats = gateway.admin("GET", "/stats?filter=^listener").await;
    let of = |at: SocketAddr| stats.text().contains(&format!("_{}.", at.port()));
    assert!(of(at) && !of(before), "statistics go with their address:\n{}", stats.text());
}

#[tokio::test]
async fn addresses_are_added_and_taken_away_while_the_others_stay() {
    let mut plane = Plane::start().await;
    let _gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    let (one, two) = (free("127.0.0.1"), free("127.0.0.2"));
    settle(&mut stream, &[listener("gateway", &[one])]).await;
    answers(one).await;
    let change = async |stream: &mut Stream, version: &str, listeners: &[Listener]| {
        let nonce = stream.send(version, listeners);
        assert_eq!(stream.answer(&nonce).await, (version.to_owned(), None));
    };
    change(&mut stream, "2", &[listener("gateway", &[one, two])]).await;
    answers(two).await;
    answers(one).await;
    change(&mut stream, "3", &[listener("gateway", &[two])]).await;
    refuses(one).await;
    answers(two).await;
    // It passes to another listener in one change.
    change(&mut stream, "4", &[listener("heir", &[two])]).await;
    answers(two).await;
    // What somebody has is not shared.
    let nonce = stream.send("5", &[listener("heir", &[two]), listener("thief", &[two])]);
    assert!(stream.answer(&nonce).await.1.is_some_and(|error| error.contains("thief")));
}
