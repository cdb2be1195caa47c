//! How things look on the admin interface: Envoy's text lines and JSON shapes. Pure.

use std::fmt::Write as _;
use std::net::SocketAddr;

use forebay_telemetry::Pattern;
use serde_json::{Value, json};

use super::{ClusterView, Health, ServerInfo, State};

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Live => "LIVE",
        State::Draining => "DRAINING",
        State::PreInitializing => "PRE_INITIALIZING",
        State::Initializing => "INITIALIZING",
    }
}

pub(super) fn server_info(info: &ServerInfo, now: State) -> Value {
    let uptime = format!("{}s", info.uptime.as_secs());
    json!({
        "version": info.version,
        "state": state(now),
        "hot_restart_version": "disabled",
        "command_line_options": info.options,
        "node": info.node,
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
    })
}

pub(super) fn listeners_text(listeners: &[(String, Vec<SocketAddr>)]) -> String {
    let lines = listeners
        .iter()
        .flat_map(|(name, addresses)| addresses.iter().map(move |a| format!("{name}::{a}\n")));
    lines.collect()
}

pub(super) fn listeners_json(listeners: &[(String, Vec<SocketAddr>)]) -> Value {
    let statuses: Vec<Value> = listeners
        .iter()
        .map(|(name, addresses)| {
            let mut addresses = addresses.iter().map(|a| address(*a));
            let mut status = json!({ "name": name, "local_address": addresses.next() });
            let more: Vec<Value> = addresses.collect();
            if !more.is_empty() {
                status["additional_local_addresses"] = more.into();
            }
            status
        })
        .collect();
    json!({ "listener_statuses": statuses })
}

pub(super) fn clusters_text(clusters: &[ClusterView]) -> String {
    let mut out = String::new();
    for cluster in clusters {
        let name = &cluster.name;
        // A String takes everything that is written to it, here and below.
        let _ = writeln!(out, "{name}::observability_name::{name}");
        if let Some(limits) = cluster.limits {
            for (limit, value) in [
                ("max_connections", limits.max_connections),
                ("max_pending_requests", limits.max_pending_requests),
                ("max_requests", limits.max_requests),
                ("max_retries", limits.max_retries),
            ] {
                let _ = writeln!(out, "{name}::default_priority::{limit}::{value}");
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
            let _ = writeln!(out, "{name}::{at}::hostname::{}", endpoint.hostname);
            let _ = writeln!(out, "{name}::{at}::health_flags::{}", health_flags(endpoint.health));
            let _ = writeln!(out, "{name}::{at}::weight::{}", endpoint.weight);
            let _ = writeln!(out, "{name}::{at}::priority::0");
        }
    }
    out
}

pub(super) fn clusters_json(clusters: &[ClusterView]) -> Value {
    let statuses: Vec<Value> = clusters
        .iter()
        .map(|cluster| {
            let hosts: Vec<Value> = cluster
                .endpoints
                .iter()
                .map(|endpoint| {
                    let stats: Vec<Value> = endpoint
                        .numbers
                        .iter()
                        .map(|(name, value, gauge)| {
                            let kind = if *gauge { "GAUGE" } else { "COUNTER" };
                            json!({ "name": name, "value": value.to_string(), "type": kind })
                        })
                        .collect();
                    json!({
                        "address": address(endpoint.address),
                        "hostname": endpoint.hostname,
                        "stats": stats,
                        "health_status": { "eds_health_status": eds_status(endpoint.health) },
                        "weight": endpoint.weight,
                    })
                })
                .collect();
            let mut status = json!({
                "name": cluster.name,
                "observability_name": cluster.name,
                "added_via_api": cluster.added_via_api,
                "host_statuses": hosts,
            });
            if let Some(limits) = cluster.limits {
                status["circuit_breakers"] = json!({ "thresholds": [{
                    "max_connections": limits.max_connections,
                    "max_pending_requests": limits.max_pending_requests,
                    "max_requests": limits.max_requests,
                    "max_retries": limits.max_retries,
                }]});
            }
            for (key, value) in &cluster.facts {
                status[*key] = value.as_str().into();
            }
            status
        })
        .collect();
    json!({ "cluster_statuses": statuses })
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

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// Which resources of a dump are asked for.
pub(super) struct Names(Option<Pattern>);

impl Names {
    pub(super) fn new(pattern: Option<&str>) -> Result<Self, String> {
        let pattern = pattern.map(Pattern::new).transpose().map_err(|error| error.to_string())?;
        Ok(Self(pattern))
    }

    fn includes(&self, resource: &Value) -> bool {
        self.0.as_ref().is_none_or(|pattern| name_of(resource).is_some_and(|name| pattern.finds(name)))
    }
}

/// The name of one entry of a section: its own, or that of the configuration it wraps.
fn name_of(resource: &Value) -> Option<&str> {
    let fields = resource.as_object()?;
    let direct = ["name", "cluster_name"].iter().find_map(|field| fields.get(*field)?.as_str());
    direct.or_else(|| {
        let inner =
            ["cluster", "listener", "route_config", "endpoint_config", "virtual_host", "active_state"];
        inner.iter().filter_map(|field| fields.get(*field)).find_map(name_of)
    })
}

/// Envoy's filters on the sections of a dump. With `resource`, the entries of the one field that has that name, flat, each
/// with the section's type; None when no section has it.
pub(super) fn config_dump(sections: Vec<Value>, resource: Option<&str>, names: &Names) -> Option<Vec<Value>> {
    let Some(resource) = resource else {
        return Some(sections.into_iter().map(|section| filtered(section, names)).collect());
    };
    let entries: Vec<Value> =
        sections.into_iter().find_map(|mut section| match section.get_mut(resource)?.take() {
            Value::Array(entries) => Some(entries),
            single => Some(vec![single]),
        })?;
    Some(entries.into_iter().filter(|entry| names.includes(entry)).collect())
}

fn filtered(mut section: Value, names: &Names) -> Value {
    if names.0.is_some()
        && let Some(fields) = section.as_object_mut()
    {
        for entries in fields.values_mut().filter_map(Value::as_array_mut) {
            entries.retain(|entry| names.includes(entry));
        }
    }
    section
}
