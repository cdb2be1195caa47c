//! A control plane that goes away and comes back: what it had is not sent again, what changed meanwhile is.

use super::common::{Proxy, Running, put_cluster, put_endpoints, put_host, soon, want_services};
use forebay_proto::type_url::{CLUSTER, ENDPOINTS, VIRTUAL_HOST};
use forebay_xds_client::{Mode, Target};
use forebay_xds_server::Store;
use std::time::Duration;

fn fill(store: &Store) {
    for i in 0..20 {
        let name = format!("default/hello-{i:05}");
        put_cluster(store, &name, "1");
        put_endpoints(store, &name);
        put_host(store, &format!("hello-{i}"), "hello.example");
    }
}

async fn comes_back(mode: Mode, first: Vec<forebay_xds_client::Interest>, expected: usize) {
    let store = Store::new();
    fill(&store);
    let server = Running::tcp(&store, "127.0.0.1:0").await;
    let address = server.address;
    let target = Target::Tcp(address.to_string());
    let mut proxy = Proxy::start(target, mode, first, &[], Duration::ZERO);
    let before = proxy.until("all resources", |h| h.have.len() == expected).await;
    soon("acks", store.acked(store.head())).await;
    server.stop().await;
    proxy.until("the loss", |h| !h.connected).await;
    assert_eq!(proxy.heard().have, before.have, "it keeps what it has");

    // A new process: nothing in common with the old one but the content.
    let store = Store::new();
    fill(&store);
    let server = Running::tcp(&store, &address.to_string()).await;
    proxy.until("the return", |h| h.connected && h.connections == 2).await;
    // A change after the return proves that whatever was to be sent before it has been.
    put_cluster(&store, "default/hello-00007", "2");
    let after = proxy
        .until("the change", |h| {
            h.body(CLUSTER, "default/hello-00007") != before.body(CLUSTER, "default/hello-00007")
        })
        .await;
    soon("acks", store.acked(store.head())).await;
    // State of the world: the list with the change in it, and the endpoints, which are sent anew on a new stream.
    let resent = if mode == Mode::Delta { 1 } else { 40 };
    assert_eq!(after.resources - before.resources, resent, "only what changed");
    assert_eq!(store.traffic().resources, resent as u64);

    // And what changes while it is away comes with the return.
    server.stop().await;
    proxy.until("the loss", |h| !h.connected).await;
    put_cluster(&store, "default/hello-00003", "2");
    store.remove(CLUSTER, "default/hello-00004");
    store.remove(ENDPOINTS, "default/hello-00004");
    let server = Running::tcp(&store, &address.to_string()).await;
    let last = proxy
        .until("the changes", |h| {
            !h.names(CLUSTER).contains(&"default/hello-00004")
                && h.body(CLUSTER, "default/hello-00003") != before.body(CLUSTER, "default/hello-00003")
        })
        .await;
    assert_eq!(last.names(CLUSTER).len(), 19);
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn delta_resumes_from_what_it_holds() {
    comes_back(Mode::Delta, want_services(), 60).await;
}

#[tokio::test]
async fn state_of_the_world_resumes_from_the_version_it_accepted() {
    comes_back(Mode::StateOfTheWorld, Vec::new(), 40).await;
}

#[tokio::test]
async fn a_removal_while_away_is_told_for_names_and_namespaces() {
    let store = Store::new();
    fill(&store);
    let server = Running::tcp(&store, "127.0.0.1:0").await;
    let address = server.address;
    let mut proxy =
        Proxy::start(Target::Tcp(address.to_string()), Mode::Delta, want_services(), &[], Duration::ZERO);
    proxy.until("all resources", |h| h.have.len() == 60).await;
    server.stop().await;
    store.remove(VIRTUAL_HOST, "services/hello-3");
    store.remove(ENDPOINTS, "default/hello-00003");
    let server = Running::tcp(&store, &address.to_string()).await;
    proxy.until("the removals", |h| h.have.len() == 58).await;
    let mut removed = proxy.heard().removed;
    removed.sort();
    assert_eq!(removed, ["default/hello-00003", "services/hello-3"]);
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_starts_before_its_server_finds_it() {
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let mut proxy = Proxy::tcp(address, Mode::Delta);
    tokio::time::sleep(Duration::from_millis(30)).await;
    let store = Store::new();
    put_cluster(&store, "a", "1");
    let server = Running::tcp(&store, &address.to_string()).await;
    proxy.until("the cluster", |h| h.names(CLUSTER) == ["a"]).await;
    proxy.stop().await;
    server.stop().await;
}
