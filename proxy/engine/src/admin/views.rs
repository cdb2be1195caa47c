//! How things look on the admin interface: Envoy's text lines and JSON shapes. Pure.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::commands::COMMANDS;
use super::{Certificate, Memory, ServerInfo, State, Unready};

mod clusters;

pub(super) use clusters::{clusters_json, clusters_text};

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Live => "LIVE",
        State::Draining => "DRAINING",
        State::PreInitializing => "PRE_INITIALIZING",
        State::Initializing => "INITIALIZING",
    }
}

/// `/`: a link or a button for each command.
pub(super) fn home() -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n  <title>Envoy Admin</title>\n</head>\n<body>\n<table>\n\
         <thead><tr><th>Command</th><th>Description</th></tr></thead>\n<tbody>\n",
    );
    for entry in COMMANDS.iter().filter(|entry| entry.path != "/") {
        let (path, name) = (entry.path.trim_start_matches('/'), entry.path);
        let command = if entry.mutates {
            format!("<form action='{path}' method='post'><button>{}</button></form>", &name[1..])
        } else {
            format!("<a href='{path}'>{}</a>", &name[1..])
        };
        page.push_str(&format!("<tr><td>{command}</td><td>{}</td></tr>\n", entry.help));
    }
    page.push_str("</tbody>\n</table>\n</body>\n</html>\n");
    page
}

pub(super) fn server_info(info: &ServerInfo, now: State) -> Value {
    let uptime = format!("{}s", info.uptime.as_secs());
    json!({
        "version": info.version,
        "state": state(now),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "hot_restart_version": "disabled",
        "command_line_options": info.options,
        "node": info.node,
    })
}

/// 64-bit numbers are strings, as in all of protobuf's JSON.
pub(super) fn memory(memory: Memory) -> Value {
    json!({
        "allocated": memory.allocated.to_string(),
        "heap_size": memory.heap.to_string(),
        "pageheap_unmapped": "0",
        "pageheap_free": memory.heap.saturating_sub(memory.allocated).to_string(),
        "total_thread_cache": "0",
        "total_physical_bytes": memory.resident.to_string(),
    })
}

/// What the start, or a new listener or cluster, still waits for; `mask` picks a component: `listener`, `cluster`.
pub(super) fn init_dump(unready: &[Unready], mask: &str) -> Value {
    let shown: Vec<Value> = unready
        .iter()
        .filter(|one| mask.is_empty() || mask.split(',').any(|part| part == one.component))
        .map(
            |one| json!({ "name": format!("{} {}", one.component, one.name), "target_names": one.waits_for }),
        )
        .collect();
    if shown.is_empty() { json!({}) } else { json!({ "unready_targets_dumps": shown }) }
}

pub(super) fn certificates(certificates: &[Certificate]) -> Value {
    let shown: Vec<Value> = certificates
        .iter()
        .map(|pair| {
            let each =
                |details: &[super::CertificateDetails]| details.iter().map(certificate).collect::<Vec<_>>();
            json!({ "ca_cert": each(&pair.authorities), "cert_chain": each(&pair.chain) })
        })
        .collect();
    json!({ "certificates": shown })
}

fn certificate(details: &super::CertificateDetails) -> Value {
    let names = |kind: &str, names: &[String]| -> Vec<Value> {
        names.iter().map(|name| json!({ kind: name })).collect()
    };
    let mut alternatives = names("dns", &details.dns);
    alternatives.extend(names("uri", &details.uris));
    alternatives.extend(names("ip_address", &details.addresses));
    json!({
        "path": details.path,
        "serial_number": details.serial,
        "subject_alt_names": alternatives,
        "days_until_expiration": details.days_left.to_string(),
        "valid_from": details.valid_from,
        "expiration_time": details.expires,
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

pub(super) fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// Adds a field unless it has its default, as protobuf's JSON does.
pub(super) fn put(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    let value = value.into();
    let is_default = match &value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(n) => n.as_u64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    };
    if !is_default {
        fields.insert(name.to_owned(), value);
    }
}
