//! What travels between a running server and a running client.

use std::time::Duration;

use super::common::{Proxy, Running, put_cluster, put_endpoints, put_host, soon, want_services};
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, VIRTUAL_HOST};
use forebay_xds_client::{Mode, Target};
use forebay_xds_server::{Store, Taken};

#[tokio::test]
async fn both_variants_bring_clusters_and_their_endpoints() {
    for mode in [Mode::Delta, Mode::StateOfTheWorld] {
        let store = Store::new();
        put_cluster(&store, "a", "1");
        put_endpoints(&store, "a");
        put_endpoints(&store, "nobody's");
        let server = Running::tcp(&store, "127.0.0.1:0").await;
        let mut proxy = Proxy::tcp(server.address, mode);
        let heard = proxy.until("cluster and endpoints", |h| h.have.len() == 2).await;
        assert_eq!((heard.names(CLUSTER), heard.names(ENDPOINTS)), (vec!["a"], vec!["a"]));

        store.batch(|batch| {
            batch.remove(ENDPOINTS, "a");
            batch.remove(CLUSTER, "a");
        });
        put_cluster(&store, "b", "1");
        proxy.until("the replacement", |h| h.names(CLUSTER) == ["b"]).await;
        let taken = soon("acks", store.acked(store.head())).await;
        assert_eq!(taken, Taken { streams: 1, refused: 0 });
        proxy.stop().await;
        assert_eq!(
            soon("nobody", store.acked(store.head() + 100)).await.streams,
            0,
            "a finished stream does not count"
        );
        server.stop().await;
    }
}

#[tokio::test]
async fn a_unix_socket_carries_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("xds.sock");
    let store = Store::new();
    put_cluster(&store, "a", "1");
    let server = Running::unix(&store, &path);
    let mut proxy = Proxy::start(Target::Unix(path), Mode::Delta, want_services(), &[], Duration::ZERO);
    proxy.until("the cluster", |h| h.names(CLUSTER) == ["a"]).await;
    put_host(&store, "hello", "hello.example");
    proxy.until("the host", |h| h.names(VIRTUAL_HOST) == ["services/hello"]).await;
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn of_three_resources_the_bad_one_is_named_and_the_others_are_used() {
    for mode in [Mode::Delta, Mode::StateOfTheWorld] {
        let store = Store::new();
        let mut nacks = store.nacks();
        ["good-1", "bad", "good-2"].iter().for_each(|name| _ = put_cluster(&store, name, "1"));
        let server = Running::tcp(&store, "127.0.0.1:0").await;
        let target = Target::Tcp(server.address.to_string());
        let mut proxy = Proxy::start(target, mode, Vec::new(), &["bad"], Duration::ZERO);
        proxy.until("the good ones", |h| h.names(CLUSTER) == ["good-1", "good-2"]).await;
        let nack = soon("the refusal", nacks.next()).await.unwrap();
        assert_eq!((nack.node.as_str(), nack.type_url.as_str()), ("test-node", CLUSTER));
        assert_eq!(nack.resource.as_deref(), Some("bad"));
        assert_eq!(nack.message, "bad: does not please");
        assert_eq!(soon("answers", store.acked(store.head())).await, Taken { streams: 1, refused: 1 });

        // It is not sent again before it changes; then it is, and accepted.
        let sent = store.traffic().responses;
        proxy.refuse.lock().unwrap().clear();
        put_cluster(&store, "bad", "2");
        proxy.until("the mended one", |h| h.names(CLUSTER).len() == 3).await;
        assert_eq!(soon("acks", store.acked(store.head())).await, Taken { streams: 1, refused: 0 });
        // One for the cluster; one for the endpoints the client then asked for, of which there are none in SotW.
        assert!(store.traffic().responses <= sent + 3, "no loop");
        proxy.stop().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn ten_thousand_resources_and_then_one() {
    let store = Store::new();
    store.batch(|batch| {
        for i in 0..10_000 {
            let name = format!("services/host-{i:05}");
            let host = forebay_proto::envoy::config::route::v3::VirtualHost {
                name: format!("host-{i:05}"),
                domains: (0..12).map(|d| format!("host-{i:05}.namespace.domain-{d}.example.com")).collect(),
                ..Default::default()
            };
            batch.set(VIRTUAL_HOST, &name, &host);
        }
    });
    let server = Running::tcp(&store, "127.0.0.1:0").await;
    let target = Target::Tcp(server.address.to_string());
    let mut proxy = Proxy::start(target, Mode::Delta, want_services(), &[], Duration::ZERO);
    let heard = proxy.until("all of them", |h| h.have.len() == 10_000).await;
    assert_eq!(heard.resources, 10_000);
    soon("acks", store.acked(store.head())).await;
    let before = store.traffic();
    assert!(
        before.bytes > 4 * 1024 * 1024,
        "more than gRPC's default limit, so in several responses: {before:?}"
    );
    assert!(before.responses >= 3);

    put_host(&store, "host-04711", "new.example");
    proxy.until("the one", |h| h.resources == 10_001).await;
    soon("acks", store.acked(store.head())).await;
    let after = store.traffic();
    assert_eq!((after.responses - before.responses, after.resources - before.resources), (1, 1));
    assert!(after.bytes - before.bytes < 300, "{} bytes for one small change", after.bytes - before.bytes);

    // The same content again: nothing moves at all.
    assert!(!put_host(&store, "host-04711", "new.example"));
    assert_eq!(store.traffic(), after);
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_slow_client_gets_less_often_and_the_last_state() {
    let store = Store::new();
    put_cluster(&store, "a", "0");
    let server = Running::tcp(&store, "127.0.0.1:0").await;
    let target = Target::Tcp(server.address.to_string());
    let mut proxy = Proxy::start(target, Mode::Delta, Vec::new(), &[], Duration::from_millis(20));
    proxy.until("the first", |h| h.names(CLUSTER) == ["a"]).await;
    for i in 1..=5_000 {
        put_cluster(&store, "a", &i.to_string());
        // The server's turn: it could send every one of them.
        tokio::task::yield_now().await;
    }
    let last = store.encoded(CLUSTER, "a").unwrap();
    let heard = proxy.until("the last", |h| h.body(CLUSTER, "a") == Some(&last)).await;
    assert!(heard.resources < 100, "5,000 changes came as {} resources", heard.resources);
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn one_resource_may_be_larger_than_any_default_limit() {
    for mode in [Mode::Delta, Mode::StateOfTheWorld] {
        let store = Store::new();
        let note = "x".repeat(9 * 1024 * 1024);
        put_cluster(&store, "a", &note);
        put_cluster(&store, "b", &note);
        let server = Running::tcp(&store, "127.0.0.1:0").await;
        let mut proxy = Proxy::tcp(server.address, mode);
        proxy.until("both", |h| h.names(CLUSTER).len() == 2).await;
        proxy.stop().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn endpoints_are_taken_by_every_subscriber_before_a_drain_goes_on() {
    let store = Store::new();
    put_cluster(&store, "a", "1");
    put_endpoints(&store, "a");
    let server = Running::tcp(&store, "127.0.0.1:0").await;
    let mut proxies =
        [Mode::Delta, Mode::StateOfTheWorld, Mode::Delta].map(|mode| Proxy::tcp(server.address, mode));
    for proxy in &mut proxies {
        proxy.until("endpoints", |h| h.names(ENDPOINTS) == ["a"]).await;
    }
    let cla = forebay_proto::envoy::config::endpoint::v3::ClusterLoadAssignment {
        cluster_name: "a".into(),
        endpoints: vec![Default::default()],
        ..Default::default()
    };
    store.set(ENDPOINTS, "a", &cla);
    let taken = soon("everybody", store.acked_of(ENDPOINTS, store.head())).await;
    assert_eq!(taken, Taken { streams: 3, refused: 0 });
    let body = store.encoded(ENDPOINTS, "a").unwrap();
    for proxy in &proxies {
        assert_eq!(
            proxy.heard().body(ENDPOINTS, "a"),
            Some(body.as_slice()),
            "resolved only once it was in use"
        );
    }
    for proxy in proxies {
        proxy.stop().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_new_service_arrives_bottom_up() {
    let store = Store::new();
    let server = Running::tcp(&store, "127.0.0.1:0").await;
    put_cluster(&store, "old", "1");
    put_endpoints(&store, "old");
    let target = Target::Tcp(server.address.to_string());
    let mut proxy = Proxy::start(target, Mode::Delta, want_services(), &[], Duration::ZERO);
    proxy.until("the old one", |h| h.have.len() == 2).await;
    soon("acks", store.acked(store.head())).await;
    let start = proxy.heard().order.len();
    put_host(&store, "new", "new.example");
    let batch_order = |h: &super::common::Heard| h.order.get(start..).unwrap_or_default().to_vec();
    proxy.until("the host", |h| h.names(VIRTUAL_HOST).len() == 1).await;
    assert_eq!(batch_order(&proxy.heard()), ["VirtualHost"]);
    let start = proxy.heard().order.len();
    // Written top-down on purpose.
    store.batch(|batch| {
        let host = forebay_proto::envoy::config::route::v3::VirtualHost {
            name: "newer".into(),
            ..Default::default()
        };
        batch.set(VIRTUAL_HOST, "services/newer", &host);
        let cluster =
            forebay_proto::envoy::config::cluster::v3::Cluster { name: "newer".into(), ..Default::default() };
        batch.set(CLUSTER, "newer", &cluster);
        let cla = forebay_proto::envoy::config::endpoint::v3::ClusterLoadAssignment {
            cluster_name: "newer".into(),
            ..Default::default()
        };
        batch.set(ENDPOINTS, "newer", &cla);
    });
    let heard = proxy.until("all three", |h| h.have.len() == 6).await;
    assert_eq!(heard.order.get(start..).unwrap(), ["Cluster", "ClusterLoadAssignment", "VirtualHost"]);
    proxy.stop().await;
    server.stop().await;
}
