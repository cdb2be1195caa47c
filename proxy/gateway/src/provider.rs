//! What the admin interface asks, answered from the model, the registry and the fleet. Knows no HTTP.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_balance::Endpoint;
use forebay_engine::admin::{
    Asked, Bounds, ClusterView, DrainListeners, EndpointView, Explanation, Health, Limits, Provider,
    ServerInfo, State,
};
use forebay_model::{Discovery, Dumped, State as Standing};
use forebay_net::Plan;
use forebay_proto::{envoy, type_url};
use forebay_telemetry::{Family, Kind, Snapshot};
use prost::Message;
use serde_json::{Value, json};

use crate::{Drain, Shared, explain};

pub(crate) async fn serve(shared: Arc<Shared>, socket: TcpListener) {
    let admin = Arc::new(Admin { shared, runtime: tokio::runtime::Handle::current() });
    if let Err(error) =
        forebay_engine::admin::serve(socket, admin, Bounds::default(), std::future::pending()).await
    {
        tracing::error!(%error, "the admin interface ended");
    }
}

struct Admin {
    shared: Arc<Shared>,
    runtime: tokio::runtime::Handle,
}

impl Provider for Admin {
    fn state(&self) -> State {
        let s = &self.shared;
        // As in Envoy, a drain of the listeners alone does not fail health checks: whoever drains says both.
        if s.failing.load(Ordering::Relaxed) {
            State::Draining
        } else if !s.fleet.bound().is_empty() {
            State::Live
        } else if *s.connected.borrow() {
            State::Initializing
        } else {
            State::PreInitializing
        }
    }

    fn stats(&self) -> Snapshot {
        let mut snapshot = self.shared.registry.snapshot();
        let s = &self.shared;
        snapshot.push(None, "server.live", Kind::Gauge, u64::from(self.state() == State::Live));
        snapshot.push(None, "server.uptime", Kind::Gauge, s.started.elapsed().as_secs());
        snapshot.push(None, "server.concurrency", Kind::Gauge, s.fleet.len() as u64);
        snapshot.push(None, "server.total_connections", Kind::Gauge, s.fleet.connections() as u64);
        snapshot.push(None, "control_plane.connected_state", Kind::Gauge, u64::from(*s.connected.borrow()));
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        snapshot.push(None, "control_plane.rx_responses", Kind::Counter, count(&s.received.responses));
        snapshot.push(None, "control_plane.rx_resources", Kind::Counter, count(&s.received.resources));
        snapshot.push(None, "control_plane.rx_bytes", Kind::Counter, count(&s.received.bytes));
        let model = s.model();
        for (_, cluster) in model.clusters() {
            let scope = || Some((Family::Cluster, cluster.config.name.clone()));
            let members = cluster.endpoints.list();
            let healthy = members.iter().filter(|e| !e.draining()).count();
            snapshot.push(scope(), "membership_total", Kind::Gauge, members.len() as u64);
            snapshot.push(scope(), "membership_healthy", Kind::Gauge, healthy as u64);
        }
        snapshot
    }

    fn config_dump(&self, endpoints: bool) -> Vec<Value> {
        let dumped = self.shared.model().dump();
        let section = |url: &str, kind: &str, list: &str| {
            let resources: Vec<Value> = dumped.iter().filter(|d| d.type_url == url).map(resource).collect();
            json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{kind}"), list: resources })
        };
        let mut sections = vec![
            section(type_url::CLUSTER, "ClustersConfigDump", "dynamic_active_clusters"),
            section(type_url::LISTENER, "ListenersConfigDump", "dynamic_listeners"),
            section(type_url::ROUTE, "RoutesConfigDump", "dynamic_route_configs"),
            section(type_url::VIRTUAL_HOST, "RoutesConfigDump", "dynamic_virtual_hosts"),
        ];
        if endpoints {
            sections.push(section(type_url::ENDPOINTS, "EndpointsConfigDump", "dynamic_endpoint_configs"));
        }
        sections
    }

    fn clusters(&self) -> Vec<ClusterView> {
        let model = self.shared.model();
        let mut views: Vec<ClusterView> = model
            .clusters()
            .map(|(_, cluster)| {
                let limits = cluster.config.limits;
                let mut facts = Vec::new();
                if cluster.config.revision.is_some() {
                    facts.push(("forebay_waiting", cluster.gate.waiting().to_string()));
                    facts.push(("forebay_in_flight", cluster.gate.in_flight().to_string()));
                }
                ClusterView {
                    name: cluster.config.name.to_string(),
                    added_via_api: true,
                    limits: Some(Limits {
                        max_connections: limits.max_connections.into(),
                        max_pending_requests: limits.max_pending_requests.into(),
                        max_requests: limits.max_requests.into(),
                        max_retries: limits.max_retries.into(),
                    }),
                    facts,
                    endpoints: cluster
                        .endpoints
                        .list()
                        .iter()
                        .map(|e| endpoint(e, &cluster.config.discovery))
                        .collect(),
                }
            })
            .collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    fn listeners(&self) -> Vec<(String, Vec<SocketAddr>)> {
        let mut all: Vec<_> =
            self.shared.fleet.bound().into_iter().map(|b| (b.listener.to_string(), b.addresses)).collect();
        all.sort();
        all
    }

    fn server_info(&self) -> ServerInfo {
        let config = &self.shared.config;
        ServerInfo {
            version: format!("forebay/{}", env!("CARGO_PKG_VERSION")),
            uptime: self.shared.started.elapsed(),
            options: json!({ "concurrency": self.shared.fleet.len() }),
            node: json!({ "id": config.node.id, "cluster": config.node.cluster }),
        }
    }

    fn explain(&self, request: &Asked) -> Explanation {
        explain::explain(&self.shared, request)
    }

    fn drain_listeners(&self, how: DrainListeners) {
        let Drain { time, ramp } = self.shared.config.drain;
        let drain = if how.graceful { time } else { Duration::ZERO };
        let _entered = self.runtime.enter();
        self.shared.drain(Plan { drain, grace: None, ramp });
    }

    fn fail_healthcheck(&self, fail: bool) {
        self.shared.failing.store(fail, Ordering::Relaxed);
    }

    fn reopen_logs(&self) {
        self.shared.fleet.reopen_logs();
    }

    fn quit(&self) {
        self.shared.quit.notify_one();
    }
}

fn endpoint(endpoint: &Endpoint, discovery: &Discovery) -> EndpointView {
    let hostname = match discovery {
        Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => {
            dns.hosts.first().map(|h| h.host.to_string()).unwrap_or_default()
        }
        Discovery::Static | Discovery::Eds { .. } => String::new(),
    };
    EndpointView {
        address: endpoint.address,
        hostname,
        numbers: vec![("rq_active", endpoint.in_flight().into(), true)],
        health: if endpoint.draining() { Health::Draining } else { Health::Healthy },
        weight: 1,
    }
}

/// One resource with how it stands. Its content is shown as the program reads it.
fn resource(dumped: &Dumped) -> Value {
    let (status, error) = match &dumped.state {
        Standing::Acked => ("ACKED", Value::Null),
        Standing::Nacked { version, message } => {
            ("NACKED", json!({ "version_info": &**version, "details": message }))
        }
        Standing::Warming(reason) => ("REQUESTED", json!({ "details": reason })),
    };
    let mut view = json!({
        "name": &*dumped.name,
        "version_info": &*dumped.version,
        "age": format!("{}s", dumped.since.elapsed().as_secs()),
        "client_status": status,
        "resource": content(dumped.type_url, &dumped.bytes),
    });
    if !error.is_null() {
        view["error_state"] = error;
    }
    view
}

fn content(url: &str, bytes: &[u8]) -> Value {
    fn show<M: Message + Default + std::fmt::Debug>(bytes: &[u8]) -> Value {
        match M::decode(bytes) {
            Ok(message) => format!("{message:?}").into(),
            Err(error) => format!("undecodable: {error}").into(),
        }
    }
    match url {
        _ if bytes.is_empty() => Value::Null,
        type_url::CLUSTER => show::<envoy::config::cluster::v3::Cluster>(bytes),
        type_url::LISTENER => show::<envoy::config::listener::v3::Listener>(bytes),
        type_url::ROUTE => show::<envoy::config::route::v3::RouteConfiguration>(bytes),
        type_url::VIRTUAL_HOST => show::<envoy::config::route::v3::VirtualHost>(bytes),
        type_url::ENDPOINTS => show::<envoy::config::endpoint::v3::ClusterLoadAssignment>(bytes),
        other => other.into(),
    }
}
