//! The stream to the control plane, request by request, as Envoy 1.40 opens it.

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3::DataSource;
use forebay_proto::envoy::config::core::v3::data_source::Specifier;
use forebay_proto::envoy::config::listener::v3::Listener;
use forebay_proto::envoy::config::route::v3::{DirectResponseAction, RouteConfiguration, VirtualHost, route};
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use forebay_proto::google::protobuf::{BoolValue, Duration};
use forebay_proto::type_url;

use crate::plane::{Plane, Stream};
use crate::resources::{self, forward, host, routes};
use crate::support::{h1, until};
use crate::world::{Gateway, ask, bootstrap};

/// The listener `gateway` on a port of the kernel's choice.
pub fn listener() -> Listener {
    resources::listener("127.0.0.1:0".parse().unwrap(), &resources::manager())
}

/// A host that answers with its name.
pub fn answering(name: &str) -> VirtualHost {
    let body =
        DataSource { specifier: Some(Specifier::InlineString(name.to_owned())), ..DataSource::default() };
    let action = DirectResponseAction { status: 200, body: Some(body), ..DirectResponseAction::default() };
    host(name, &format!("{name}.test"), vec![resources::route("/", route::Action::DirectResponse(action))])
}

/// Brings a stream to where its listener answers `hosts`.
pub async fn settle(stream: &mut Stream, hosts: Vec<VirtualHost>) {
    settle_on(stream, listener(), hosts).await;
}

async fn settle_on(stream: &mut Stream, listener: Listener, hosts: Vec<VirtualHost>) {
    stream.asked(type_url::CLUSTER).await;
    let nonce = stream.send::<Cluster>("1", &[]);
    assert_eq!(stream.answer(&nonce).await, ("1".to_owned(), None));
    stream.asked(type_url::LISTENER).await;
    let nonce = stream.send("1", &[listener]);
    assert_eq!(stream.answer(&nonce).await, ("1".to_owned(), None));
    stream.asked(type_url::ROUTE).await;
    let nonce = stream.send("1", &[routes(hosts)]);
    assert_eq!(stream.answer(&nonce).await, ("1".to_owned(), None));
}

#[tokio::test]
async fn clusters_then_listeners_then_routes_and_who_it_is_only_once() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    let first = stream.request().await;
    let node = first.node.unwrap();
    assert_eq!((node.id.as_str(), node.cluster.as_str()), ("test", "test"));
    assert_eq!((first.type_url.as_str(), first.resource_names.len()), (type_url::CLUSTER, 0));
    assert_eq!((first.version_info.as_str(), first.response_nonce.as_str()), ("", ""));

    let nonce = stream.send::<Cluster>("7", &[]);
    // Listeners are asked for when clusters are there, in either order with the answer.
    let two = [stream.request().await, stream.request().await];
    assert!(two.iter().all(|request| request.node.is_none() && request.error_detail.is_none()));
    let of = |url: &str| two.iter().find(|request| request.type_url == url).unwrap();
    assert_eq!(
        (of(type_url::CLUSTER).version_info.as_str(), &of(type_url::CLUSTER).response_nonce),
        ("7", &nonce)
    );
    assert!(of(type_url::LISTENER).resource_names.is_empty());

    let nonce = stream.send("7", &[listener()]);
    let two = [stream.request().await, stream.request().await];
    let of = |url: &str| two.iter().find(|request| request.type_url == url).unwrap();
    assert_eq!(of(type_url::ROUTE).resource_names, ["services"]);
    assert_eq!(
        (of(type_url::LISTENER).version_info.as_str(), &of(type_url::LISTENER).response_nonce),
        ("7", &nonce)
    );
    assert_eq!(gateway.admin("GET", "/ready").await.status, 503);

    let nonce = stream.send("7", &[routes(vec![answering("a")])]);
    assert_eq!(stream.answer(&nonce).await, ("7".to_owned(), None));
    let at = gateway.listener("gateway").await;
    assert_eq!(ask(at, "GET", "a.test", "/").await.text(), "a");
    assert_eq!(gateway.admin("GET", "/ready").await.text(), "LIVE\n");
}

#[tokio::test]
async fn routes_to_a_cluster_that_is_on_its_way_are_held_and_nothing_else_is() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;

    let late = host("late", "late.test", vec![resources::route("/", forward("late"))]);
    let checked = RouteConfiguration {
        validate_clusters: Some(BoolValue { value: true }),
        ..routes(vec![late, answering("a")])
    };
    let nonce = stream.send("2", &[checked]);
    assert_eq!(stream.answer(&nonce).await, ("2".to_owned(), None), "held, not refused");
    assert_eq!(ask(at, "GET", "late.test", "/").await.status, 404);
    assert!(gateway.admin("GET", "/init_dump").await.text().contains("waits for clusters late"));

    let cluster = Cluster { name: "late".to_owned(), ..Cluster::default() };
    let nonce = stream.send("2", &[cluster]);
    assert_eq!(stream.answer(&nonce).await, ("2".to_owned(), None));
    // It has no endpoint: its route is in force.
    until("the routes hold", async || ask(at, "GET", "late.test", "/").await.status == 503).await;
    assert_eq!(ask(at, "GET", "a.test", "/").await.text(), "a");
}

#[tokio::test]
async fn routes_to_a_cluster_that_never_comes_are_held_no_longer_than_routes_are_waited_for() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    let mut manager = resources::manager();
    if let Some(RouteSpecifier::Rds(rds)) = &mut manager.route_specifier
        && let Some(source) = &mut rds.config_source
    {
        source.initial_fetch_timeout = Some(Duration { seconds: 0, nanos: 100_000_000 });
    }
    let listener = resources::listener("127.0.0.1:0".parse().unwrap(), &manager);
    settle_on(&mut stream, listener, vec![answering("a")]).await;
    let at = gateway.listener("gateway").await;
    let never = host("never", "never.test", vec![resources::route("/", forward("never"))]);
    let checked = RouteConfiguration {
        validate_clusters: Some(BoolValue { value: true }),
        ..routes(vec![never, answering("a"), answering("b")])
    };
    let nonce = stream.send("2", &[checked]);
    assert_eq!(stream.answer(&nonce).await, ("2".to_owned(), None), "held, not refused");
    until("they are used without", async || ask(at, "GET", "never.test", "/").await.status == 503).await;
    gateway.logs("routes to clusters that did not come are used without them").await;
    for host in ["a", "b"] {
        assert_eq!(ask(at, "GET", &format!("{host}.test"), "/").await.text(), host);
    }
}

#[tokio::test]
async fn a_control_plane_that_comes_back_changes_nothing_it_does_not_mean_to() {
    let mut plane = Plane::start().await;
    let gateway = Gateway::start(&bootstrap(plane.address), &[]).await;
    let mut stream = plane.stream().await;
    settle(&mut stream, vec![answering("a"), answering("b")]).await;
    let at = gateway.listener("gateway").await;
    let mut kept = h1::Connection::open(at).await.unwrap();
    assert_eq!(kept.get("a.test", "/").await.unwrap().text(), "a");

    drop(stream);
    gateway.logs("everything it sent stays in use").await;
    assert_eq!(kept.get("b.test", "/").await.unwrap().text(), "b");
    let mut stream = plane.stream().await;
    let first = stream.request().await;
    assert!(first.node.is_some() && first.response_nonce.is_empty());
    assert_eq!(first.version_info, "1", "it says what it has");
    stream.asked(type_url::ROUTE).await;
    // Another version and another order, as a restarted controller has them.
    let nonce = stream.send("other", &[routes(vec![answering("b"), answering("a")])]);
    assert_eq!(stream.answer(&nonce).await.1, None);
    assert_eq!(kept.get("a.test", "/").await.unwrap().text(), "a");
}
