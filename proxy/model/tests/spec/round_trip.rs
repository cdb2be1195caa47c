//! From a manifest to the cluster a request ends in, over the control plane's own resources and nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use forebay_base::rng::Rng;
use forebay_knative::RevisionKey;
use forebay_knative::api::RevisionState;
use forebay_knative::manifest;
use forebay_knative::world::Config;
use forebay_model::Resource;
use forebay_proto::{Body, type_url};
use forebay_route::{Picked, PlainRequest};
use forebay_xds_control::translate::{Endpoint, Settings, cluster_name};
use forebay_xds_control::{Control, Event};
use forebay_xds_server::Store;

use crate::world::World;

const SPLIT: &str = "apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: my-service}
spec:
  template:
    metadata: {name: my-service-v1}
    spec: {containerConcurrency: 1, containers: [{image: example.com/hello:1}]}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: my-service}
spec:
  template:
    metadata: {name: my-service-v2}
    spec: {timeoutSeconds: 60, containers: [{image: example.com/hello:2, ports: [{name: h2c, containerPort: 8080}]}]}
  traffic:
  - {latestRevision: true, percent: 50}
  - {revisionName: my-service-v1, percent: 50, tag: old}
---
apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: {name: hello.example.com}
spec: {ref: {kind: Service, name: my-service, apiVersion: serving.knative.dev/v1}}
";

/// Everything that a store has, given to a model in the order of a stream that starts.
fn deliver(store: &Store, names: &[(&str, Vec<&str>)], world: &mut World) {
    for (url, names) in names {
        for name in names {
            let body = Body {
                type_url: (*url).to_owned(),
                value: store.encoded(url, name).unwrap_or_else(|| panic!("no {name}")).into(),
            };
            let resource = Resource { name, version: "1", body: &body };
            let applied = world.model.apply(url, false, &[resource], &[], world.now);
            assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
            world.obey(applied);
        }
    }
}

#[test]
fn a_split_ends_in_its_revisions() {
    let settings = Settings {
        access_log: Some(forebay_xds_control::translate::AccessLog {
            path: "/dev/stdout".into(),
            format: None,
        }),
        report: Some("ws://127.0.0.1:4321".into()),
        ..Settings::new(vec!["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap()])
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut control = Control::new(Config::default(), settings, Store::new());
    let path: Arc<Path> = Path::new("split.yaml").into();
    let documents = manifest::parse(SPLIT).unwrap();
    control.apply_source(Event::File { path, text: SPLIT.into(), documents }, now);
    let (v1, v2) =
        (RevisionKey::new("default", "my-service-v1"), RevisionKey::new("default", "my-service-v2"));
    control.revision_state(&v1, RevisionState::Ready, now);
    control.revision_state(&v2, RevisionState::Ready, now);
    let address: std::net::SocketAddr = "127.0.0.1:4001".parse().unwrap();
    control.set_endpoints(&v1, &[Endpoint::from(address)]);

    let mut world = World::new();
    let clusters = [cluster_name(&v1), cluster_name(&v2)];
    let clusters: Vec<&str> = clusters.iter().map(String::as_str).collect();
    let hosts = vec![
        "services/default.my-service",
        "services/default.my-service:old-my-service.default",
        "services/default.hello.example.com",
    ];
    let all = [
        (type_url::CLUSTER, clusters.clone()),
        (type_url::ENDPOINTS, clusters),
        (type_url::LISTENER, vec!["gateway"]),
        (type_url::ROUTE, vec!["services"]),
        (type_url::VIRTUAL_HOST, hosts),
    ];
    deliver(control.store(), &all, &mut world);
    assert_eq!(control.store().len(type_url::VIRTUAL_HOST), 3, "and no other");

    let listener = &world.listeners["gateway"];
    assert_eq!(listener.addresses.len(), 2);
    let http = &listener.chains[0].http;
    assert!(http.use_remote_address && http.accept_http_10 && http.stream_idle_timeout.is_zero());
    assert_eq!(http.upgrades, [("websocket".into(), true)]);
    assert_eq!(&*http.access_logs[0].path, "/dev/stdout");

    let cold = world.cluster("default/my-service-v2");
    assert!(cold.endpoints.is_empty());
    assert_eq!(cold.gate.capacity(), forebay_balance::Capacity::Closed);
    assert!(matches!(cold.config.protocol, forebay_model::Protocol::Http2(_)));
    let warm = world.cluster("default/my-service-v1");
    assert_eq!(warm.gate.capacity(), forebay_balance::Capacity::Slots(1));
    let facts = warm.config.revision.as_ref().unwrap();
    assert_eq!(
        (&*facts.namespace, &*facts.name, &*facts.service),
        ("default", "my-service-v1", "my-service")
    );
    assert_eq!(facts.timeout, Duration::from_secs(300));
    assert_eq!(facts.report.as_deref(), Some("ws://127.0.0.1:4321"));

    assert_eq!(world.ask("services", "old-my-service.default.localhost:8080"), "default/my-service-v1");
    assert_eq!(world.ask("services", "nobody.default.localhost"), "no route");
    for authority in [
        "my-service.default.localhost:8080",
        "MY-service.default.127.0.0.1.sslip.io",
        "my-service.default",
        "hello.example.com",
    ] {
        assert_eq!(shares(&world, authority), (50, 50), "{authority}");
    }
}

/// The weights of the two revisions, after a look at what the split does to the request.
fn shares(world: &World, authority: &str) -> (u32, u32) {
    let matched =
        world.tables["services"].lookup(&PlainRequest::get(authority, "/"), &Rng::seeded(1)).unwrap();
    let Picked::Forward { split, forward, .. } = matched.action else { panic!("it is forwarded") };
    let set: Vec<&str> = split.headers.request_add.iter().map(|add| &*add.name).collect();
    assert_eq!(set, ["knative-serving-namespace", "knative-serving-revision"]);
    assert_eq!((forward.timeout, forward.upgrade(b"WebSocket")), (None, Some(true)));
    let weight = |name: &str| {
        forward.clusters.splits().iter().find(|split| &*split.name == name).map_or(0, |split| split.weight)
    };
    (weight("default/my-service-v1"), weight("default/my-service-v2"))
}
