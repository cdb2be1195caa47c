//! Services as resources: two clusters and a virtual host each, which comes by itself (VHDS) as Forebay's control plane writes
//! it. Owns what is in the store; knows nothing of who watches.

use std::net::SocketAddr;
use std::path::Path;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::route::v3 as r;
use forebay_proto::type_url;
use forebay_xds_server::{Store, Traffic};

use crate::Failure;
use crate::resources;

/// What the first backend answers.
pub(crate) const FIRST: &str = "first";
/// What the second backend answers.
pub(crate) const SECOND: &str = "second";

const ROUTES: &str = "services";

pub(crate) struct World {
    store: Store,
    backends: [SocketAddr; 2],
    services: usize,
}

/// One change: what is answered at its host before and after it, no body being 404.
pub(crate) struct Change {
    pub(crate) host: String,
    pub(crate) before: Option<&'static str>,
    pub(crate) after: Option<&'static str>,
    kind: Kind,
    service: String,
}

#[derive(Clone, Copy)]
enum Kind {
    Endpoint,
    Split,
    Add,
    Remove,
}

pub(crate) fn host(service: usize) -> String {
    host_of(&format!("s{service}"))
}

fn host_of(service: &str) -> String {
    format!("{service}.default.localhost")
}

impl World {
    pub(crate) fn new(store: Store, backends: [SocketAddr; 2], services: usize) -> Self {
        Self { store, backends, services }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.store.traffic()
    }

    pub(crate) fn fill(&self, gateway: SocketAddr, log: &Path) {
        let mut manager = resources::manager();
        manager.access_log = vec![resources::access_log(log, None)];
        let routes = r::RouteConfiguration {
            name: ROUTES.to_owned(),
            vhds: Some(r::Vhds { config_source: Some(ads()) }),
            ..Default::default()
        };
        for number in 0..self.services {
            self.add(&format!("s{number}"));
        }
        self.store.batch(|batch| {
            batch.set(type_url::ROUTE, ROUTES, &routes);
            batch.set(type_url::LISTENER, "gateway", &resources::listener(gateway, &manager));
        });
    }

    /// The `number`th change of a kind. Endpoints change at even services, splits at odd ones, each once.
    pub(crate) fn change(&self, kind: &str, number: usize) -> Result<Change, Failure> {
        // Far apart, so that no change meets what the one before it warmed.
        let spread = |parity: usize| format!("s{}", (number * 2 * 1231 + parity) % self.services);
        let new = format!("new-{number}");
        let (kind, service, before, after) = match kind {
            "endpoint" => (Kind::Endpoint, spread(0), Some(FIRST), Some(SECOND)),
            "split" => (Kind::Split, spread(1), Some(FIRST), Some(SECOND)),
            "add" => (Kind::Add, new, None, Some(FIRST)),
            "remove" => (Kind::Remove, new, Some(FIRST), None),
            other => return Err(format!("no kind of change is called {other:?}").into()),
        };
        Ok(Change { host: host_of(&service), before, after, kind, service })
    }

    pub(crate) fn make(&self, change: &Change) {
        let [_, second] = self.backends;
        match change.kind {
            Kind::Endpoint => {
                let cluster = cluster(&change.service, 1);
                self.store.set(type_url::ENDPOINTS, &cluster, &resources::endpoints(&cluster, &[second]));
            }
            Kind::Split => {
                let host = virtual_host(&change.service, [0, 100]);
                self.store.set(type_url::VIRTUAL_HOST, &host.name.clone(), &host);
            }
            Kind::Add => self.add(&change.service),
            Kind::Remove => self.remove(&change.service),
        }
    }

    fn add(&self, service: &str) {
        self.store.batch(|batch| {
            for (number, backend) in (1..).zip(self.backends) {
                let name = cluster(service, number);
                batch.set(type_url::CLUSTER, &name, &resources::cluster(&name, None, false));
                batch.set(type_url::ENDPOINTS, &name, &resources::endpoints(&name, &[backend]));
            }
            let host = virtual_host(service, [100, 0]);
            batch.set(type_url::VIRTUAL_HOST, &host.name.clone(), &host);
        });
    }

    fn remove(&self, service: &str) {
        self.store.batch(|batch| {
            for number in [1, 2] {
                let name = cluster(service, number);
                batch.remove(type_url::CLUSTER, &name);
                batch.remove(type_url::ENDPOINTS, &name);
            }
            batch.remove(type_url::VIRTUAL_HOST, &virtual_host_name(service));
        });
    }
}

fn cluster(service: &str, number: usize) -> String {
    format!("default/{service}-{number:05}")
}

fn virtual_host_name(service: &str) -> String {
    format!("{ROUTES}/default.{service}")
}

/// The shares of the two revisions in per cent; what gets nothing is left out.
fn virtual_host(service: &str, shares: [u32; 2]) -> r::VirtualHost {
    let clusters = (1..).zip(shares).filter(|(_, share)| *share > 0).map(|(number, share)| {
        r::weighted_cluster::ClusterWeight {
            name: cluster(service, number),
            weight: Some(forebay_proto::google::protobuf::UInt32Value { value: share }),
            request_headers_to_add: vec![resources::set_header(
                "Knative-Serving-Revision",
                &format!("{service}-{number:05}"),
            )],
            ..Default::default()
        }
    });
    let weighted = r::WeightedCluster { clusters: clusters.collect(), ..Default::default() };
    let action = resources::forward_with("", |action| {
        action.cluster_specifier = Some(r::route_action::ClusterSpecifier::WeightedClusters(weighted));
    });
    let host = host_of(service);
    let cluster_local = format!("{service}.default.svc.cluster.local");
    r::VirtualHost {
        name: virtual_host_name(service),
        domains: [host, cluster_local].into_iter().flat_map(|name| [format!("{name}:*"), name]).collect(),
        routes: vec![resources::route("/", action)],
        ..Default::default()
    }
}

fn ads() -> core::ConfigSource {
    core::ConfigSource {
        resource_api_version: core::ApiVersion::V3 as i32,
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    }
}
