//! `/clusters`: Envoy's lines and JSON. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::super::{ClusterView, EndpointView, Health, Limits};
use super::{address, put};

pub(in super::super) fn clusters_text(clusters: &[ClusterView]) -> String {
    let mut out = String::new();
    for cluster in clusters {
        let name = &cluster.name;
        // A String takes everything that is written to it, here and below.
        let _ = writeln!(out, "{name}::observability_name::{name}");
        for (priority, limits) in [("default", cluster.limits), ("high", cluster.high)] {
            for (limit, value) in limits.iter().flat_map(named) {
                let _ = writeln!(out, "{name}::{priority}_priority::{limit}::{value}");
            }
        }
        let _ = writeln!(out, "{name}::added_via_api::{}", cluster.added_via_api);
        for (key, value) in &cluster.facts {
            let _ = writeln!(out, "{name}::{key}::{value}");
        }
        for endpoint in &cluster.endpoints {
            let at = endpoint.address;
            let mut numbers = endpoint.numbers.clone();
            numbers.sort_unstable();
            for (key, value, _) in numbers {
                let _ = writeln!(out, "{name}::{at}::{key}::{value}");
            }
            let lines: [(&str, &dyn std::fmt::Display); 10] = [
                ("hostname", &endpoint.hostname),
                ("health_flags", &health_flags(endpoint.health)),
                ("weight", &endpoint.weight),
                ("region", &endpoint.locality.0),
                ("zone", &endpoint.locality.1),
                ("sub_zone", &endpoint.locality.2),
                ("canary", &false),
                ("priority", &endpoint.priority),
                // No outlier detection: no rate, which Envoy writes so.
                ("success_rate", &-1),
                ("local_origin_success_rate", &-1),
            ];
            for (key, value) in lines {
                let _ = writeln!(out, "{name}::{at}::{key}::{value}");
            }
        }
    }
    out
}

pub(in super::super) fn clusters_json(clusters: &[ClusterView]) -> Value {
    let statuses: Vec<Value> = clusters.iter().map(cluster).collect();
    json!({ "cluster_statuses": statuses })
}

fn cluster(cluster: &ClusterView) -> Value {
    let mut fields = Map::new();
    put(&mut fields, "name", cluster.name.as_str());
    put(&mut fields, "added_via_api", cluster.added_via_api);
    put(&mut fields, "host_statuses", cluster.endpoints.iter().map(host).collect::<Vec<_>>());
    let thresholds: Vec<Value> = [("DEFAULT", cluster.limits), ("HIGH", cluster.high)]
        .into_iter()
        .filter_map(|(priority, limits)| {
            let mut fields = Map::new();
            put(&mut fields, "priority", if priority == "DEFAULT" { "" } else { priority });
            // Wrapped numbers: a zero is shown.
            fields.extend(named(&limits?).map(|(name, value)| (name.to_owned(), value.into())));
            Some(fields.into())
        })
        .collect();
    if !thresholds.is_empty() {
        fields.insert("circuit_breakers".into(), json!({ "thresholds": thresholds }));
    }
    put(&mut fields, "observability_name", cluster.name.as_str());
    for (key, value) in &cluster.facts {
        put(&mut fields, key, value.as_str());
    }
    fields.into()
}

fn host(endpoint: &EndpointView) -> Value {
    let mut numbers = endpoint.numbers.clone();
    // Counters before gauges, each by name.
    numbers.sort_unstable_by_key(|(name, _, gauge)| (*gauge, *name));
    let stats: Vec<Value> = numbers
        .into_iter()
        .map(|(name, value, gauge)| {
            let mut fields = Map::new();
            put(&mut fields, "type", if gauge { "GAUGE" } else { "" });
            put(&mut fields, "value", if value == 0 { String::new() } else { value.to_string() });
            put(&mut fields, "name", name);
            fields.into()
        })
        .collect();
    let (region, zone, sub_zone) = &endpoint.locality;
    let mut locality = Map::new();
    put(&mut locality, "region", region.as_str());
    put(&mut locality, "zone", zone.as_str());
    put(&mut locality, "sub_zone", sub_zone.as_str());
    let mut fields = Map::new();
    fields.insert("address".into(), address(endpoint.address));
    put(&mut fields, "stats", stats);
    fields.insert("health_status".into(), json!({ "eds_health_status": eds_status(endpoint.health) }));
    put(&mut fields, "weight", endpoint.weight);
    put(&mut fields, "hostname", endpoint.hostname.as_str());
    put(&mut fields, "priority", endpoint.priority);
    fields.insert("locality".into(), locality.into());
    fields.into()
}

fn named(limits: &Limits) -> [(&'static str, u64); 4] {
    [
        ("max_connections", limits.max_connections),
        ("max_pending_requests", limits.max_pending_requests),
        ("max_requests", limits.max_requests),
        ("max_retries", limits.max_retries),
    ]
}

fn health_flags(health: Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Unhealthy => "/failed_eds_health",
        Health::Draining => "/eds_status_draining",
    }
}

fn eds_status(health: Health) -> &'static str {
    match health {
        Health::Healthy => "HEALTHY",
        Health::Unhealthy => "UNHEALTHY",
        Health::Draining => "DRAINING",
    }
}
