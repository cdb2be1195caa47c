//! What `/clusters` shows of the model. Knows no HTTP.

use forebay_balance::{Endpoint, Event, Use};
use forebay_engine::admin::{ClusterView, EndpointView, Health, Limits};
use forebay_model::{Cluster, Discovery, Model};

pub(super) fn views(model: &Model) -> Vec<ClusterView> {
    let mut views: Vec<ClusterView> = model.clusters().map(|(_, cluster)| view(model, cluster)).collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views
}

fn view(model: &Model, cluster: &Cluster) -> ClusterView {
    let config = &cluster.config;
    let mut facts = Vec::new();
    if config.revision.is_some() {
        facts.push(("forebay_waiting", cluster.gate.waiting().to_string()));
        facts.push(("forebay_in_flight", cluster.gate.in_flight().to_string()));
    }
    ClusterView {
        name: config.name.to_string(),
        added_via_api: !model.is_fixed_cluster(&config.name),
        limits: Some(shown(&config.limits)),
        high: Some(shown(&config.high_limits)),
        facts,
        endpoints: cluster.endpoints.list().iter().map(|e| endpoint(e, &config.discovery)).collect(),
    }
}

fn shown(limits: &forebay_model::Limits) -> Limits {
    Limits {
        max_connections: limits.max_connections.into(),
        max_pending_requests: limits.max_pending_requests.into(),
        max_requests: limits.max_requests.into(),
        max_retries: limits.max_retries.into(),
    }
}

/// What of a cluster's limits is reached: Envoy's gauges below `circuit_breakers`.
pub(super) fn open(cluster: &Cluster) -> impl Iterator<Item = (&'static str, u64)> {
    let config = &cluster.config;
    let of = |limits: &forebay_model::Limits, high: bool, names: [&'static str; 5]| {
        let used = |what| cluster.breakers.count(what, high);
        let (requests, pending) = (used(Use::Requests), used(Use::Pending));
        let reached = [
            used(Use::Connections) >= limits.max_connections,
            // There is no limit of pools: an endpoint has one for each worker.
            false,
            requests >= limits.max_requests,
            pending >= limits.max_pending_requests,
            used(Use::Retries) >= limits.retries(requests, pending),
        ];
        names.into_iter().zip(reached.map(u64::from))
    };
    of(&config.limits, false, DEFAULT).chain(of(&config.high_limits, true, HIGH))
}

const DEFAULT: [&str; 5] = [
    "circuit_breakers.default.cx_open",
    "circuit_breakers.default.cx_pool_open",
    "circuit_breakers.default.rq_open",
    "circuit_breakers.default.rq_pending_open",
    "circuit_breakers.default.rq_retry_open",
];
const HIGH: [&str; 5] = [
    "circuit_breakers.high.cx_open",
    "circuit_breakers.high.cx_pool_open",
    "circuit_breakers.high.rq_open",
    "circuit_breakers.high.rq_pending_open",
    "circuit_breakers.high.rq_retry_open",
];

fn endpoint(endpoint: &Endpoint, discovery: &Discovery) -> EndpointView {
    let hostname = match discovery {
        Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => {
            dns.hosts.first().map(|h| h.host.to_string()).unwrap_or_default()
        }
        Discovery::Static | Discovery::Eds { .. } => String::new(),
    };
    let counter = |name, event| (name, endpoint.counted(event), false);
    EndpointView {
        address: endpoint.address,
        hostname,
        numbers: vec![
            counter("cx_connect_fail", Event::ConnectFailed),
            counter("cx_total", Event::Connected),
            counter("rq_error", Event::Failed),
            counter("rq_success", Event::Succeeded),
            counter("rq_timeout", Event::TimedOut),
            counter("rq_total", Event::Sent),
            ("rq_active", endpoint.in_flight().into(), true),
            // One may be counted between the two.
            (
                "cx_active",
                endpoint.counted(Event::Connected).saturating_sub(endpoint.counted(Event::Closed)),
                true,
            ),
        ],
        health: if endpoint.draining() { Health::Draining } else { Health::Healthy },
        weight: 1,
        priority: 0,
        locality: <(String, String, String)>::default(),
    }
}
