//! What travels on to the app is what the client may say, and nothing that only proxies may.

use serde_json::Value;

use crate::support::forebay::Forebay;
use crate::support::h1;
use crate::support::manifest::hello;

const HOST: &str = "hello.default.localhost";

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let seen =
        seen("Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\n")
            .await;
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection", "te"] {
        assert!(seen.get(name).is_none() || name == "connection", "{name} travelled on: {seen}");
    }
}

#[tokio::test]
async fn knatives_own_words_cannot_be_said_by_clients() {
    let seen = seen(
        "Knative-Serving-Revision: other\r\nKnative-Serving-Namespace: other\r\nK-Network-Hash: x\r\n\
         K-Proxy-Request: x\r\nK-Kubelet-Probe: x\r\nConnection: close\r\n",
    )
    .await;
    for name in ["k-network-hash", "k-proxy-request", "k-kubelet-probe"] {
        assert!(seen.get(name).is_none(), "{name} travelled on: {seen}");
    }
    for name in ["knative-serving-revision", "knative-serving-namespace"] {
        assert_ne!(seen[name][0], "other", "{seen}");
    }
}

#[tokio::test]
async fn the_app_learns_who_asks_how_and_under_which_id() {
    let seen = seen("X-Forwarded-Proto: https\r\nConnection: close\r\n").await;
    // A client on this machine is told by the machine's own address, as by Envoy.
    let from: Option<std::net::IpAddr> = seen["x-forwarded-for"][0].as_str().and_then(|ip| ip.parse().ok());
    assert!(from.is_some(), "{seen}");
    assert_eq!(seen["x-forwarded-proto"][0], "http", "the client's own claim is not believed: {seen}");
    assert_eq!(seen["x-request-id"][0].as_str().unwrap_or_default().len(), 36, "{seen}");
}

#[tokio::test]
async fn everything_else_travels_unchanged_and_in_order() {
    let seen =
        seen("X-Many: a\r\nX-Other: \u{e9}\r\nX-Many: b\r\nCookie: a=1; b=2\r\nConnection: close\r\n").await;
    assert_eq!(seen["x-many"], serde_json::json!(["a", "b"]));
    assert_eq!(seen["cookie"][0], "a=1; b=2");
    assert_eq!(seen["x-other"][0], "\u{e9}");
}

/// The headers that the app sees.
async fn seen(headers: &str) -> Value {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let ask = format!("GET /headers HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n");
    let answer = h1::exchange(forebay.address, ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["headers"].clone()
}
