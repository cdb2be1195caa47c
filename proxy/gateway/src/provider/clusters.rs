//! What `/clusters` shows of the model. Knows no HTTP.

use forebay_balance::{Endpoint, Event};
use forebay_engine::admin::{ClusterView, EndpointView, Health, Limits};
use forebay_model::{Cluster, Discovery, Model};

pub(super) fn views(model: &Model) -> Vec<ClusterView> {
    let mut views: Vec<ClusterView> = model.clusters().map(|(_, cluster)| view(model, cluster)).collect();
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views
}

fn view(model: &Model, cluster: &Cluster) -> ClusterView {
    let config = &cluster.config;
    let limits = config.limits;
    let mut facts = Vec::new();
    if config.revision.is_some() {
        facts.push(("forebay_waiting", cluster.gate.waiting().to_string()));
        facts.push(("forebay_in_flight", cluster.gate.in_flight().to_string()));
    }
    ClusterView {
        name: config.name.to_string(),
        added_via_api: !model.is_fixed_cluster(&config.name),
        limits: Some(Limits {
            max_connections: limits.max_connections.into(),
            max_pending_requests: limits.max_pending_requests.into(),
            max_requests: limits.max_requests.into(),
            max_retries: limits.max_retries.into(),
        }),
        high: Some(HIGH),
        facts,
        endpoints: cluster.endpoints.list().iter().map(|e| endpoint(e, &config.discovery)).collect(),
    }
}

/// Envoy's defaults: routes of high priority have no limits of their own here.
const HIGH: Limits =
    Limits { max_connections: 1024, max_pending_requests: 1024, max_requests: 1024, max_retries: 3 };

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
        ],
        health: if endpoint.draining() { Health::Draining } else { Health::Healthy },
        weight: 1,
        priority: 0,
        locality: <(String, String, String)>::default(),
    }
}
