//! `/config_dump`: what is held, as protobuf's JSON in Envoy's sections, without secrets. Knows no HTTP.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forebay_model::{Dumped, Listener, RouteSource, State};
use forebay_proto::envoy::config::bootstrap::v3::{Bootstrap, bootstrap::StaticResources};
use forebay_proto::envoy::config::core::v3::Node;
use forebay_proto::{json, type_url};
use prost::Message;
use serde_json::{Map, Value, json};

use super::statistics::Asks;
use crate::Shared;

/// All sections, in Envoy's order. Descriptors are loaded for this one job.
pub(super) fn sections(shared: &Shared, endpoints: bool) -> Vec<Value> {
    let dumped = shared.model().dump();
    let print = match json::descriptors() {
        Ok(pool) => pool,
        Err(error) => {
            tracing::error!(%error, "descriptors of the vocabulary cannot be read: no dump");
            return Vec::new();
        }
    };
    let printer = |url: &str, bytes: &[u8]| {
        let name = url.rsplit('/').next().unwrap_or(url);
        let mut fields = Map::new();
        fields.insert("@type".into(), format!("type.googleapis.com/{name}").into());
        if let Value::Object(printed) = json::print(&print, name, bytes) {
            fields.extend(printed);
        }
        let mut value = Value::Object(fields);
        redact(&mut value);
        value
    };
    let dump = Dump { dumped: &dumped, print: &printer, now: (Instant::now(), SystemTime::now()) };
    let mut sections = vec![bootstrap(shared, &printer), dump.clusters()];
    if endpoints {
        sections.push(dump.endpoints());
    }
    sections.extend([
        dump.listeners(),
        section("ScopedRoutesConfigDump"),
        dump.routes(),
        section("SecretsConfigDump"),
    ]);
    sections
}

/// A node as protobuf's JSON; its id and cluster alone should the descriptors be unreadable.
pub(super) fn node(node: &Node) -> Value {
    match json::descriptors() {
        Ok(pool) => json::print(&pool, "envoy.config.core.v3.Node", &node.encode_to_vec()),
        Err(_) => json!({ "id": node.id, "cluster": node.cluster }),
    }
}

/// The connection managers of a listener that ask for routes by name.
pub(super) fn managers(listener: &Listener) -> impl Iterator<Item = Asks> + '_ {
    let of = |manager: &forebay_model::HttpManager| match &manager.routes {
        RouteSource::Rds(name) => Some((manager.stat_prefix.clone(), name.clone())),
        RouteSource::Inline(_) => None,
    };
    listener.managers().filter_map(move |manager| of(manager))
}

fn section(kind: &str) -> Value {
    json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{kind}") })
}

/// What the process was started with, as far as it is kept.
fn bootstrap(shared: &Shared, print: &dyn Fn(&str, &[u8]) -> Value) -> Value {
    let config = &shared.config;
    let own = StaticResources {
        listeners: config.listeners.iter().filter_map(|any| Message::decode(&*any.value).ok()).collect(),
        clusters: config.clusters.iter().filter_map(|any| Message::decode(&*any.value).ok()).collect(),
        ..StaticResources::default()
    };
    let has_own = !config.listeners.is_empty() || !config.clusters.is_empty();
    let message = Bootstrap {
        node: Some(config.node.clone()),
        static_resources: has_own.then_some(own),
        ..Bootstrap::default()
    };
    let mut printed =
        print("type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap", &message.encode_to_vec());
    if let Some(fields) = printed.as_object_mut() {
        // A field of its own type, not an `Any`.
        fields.remove("@type");
    }
    let mut section = section("BootstrapConfigDump");
    section["bootstrap"] = printed;
    section["last_updated"] = timestamp(shared.started, (Instant::now(), SystemTime::now())).into();
    section
}

struct Dump<'d> {
    dumped: &'d [Dumped],
    print: &'d dyn Fn(&str, &[u8]) -> Value,
    /// One moment on both clocks.
    now: (Instant, SystemTime),
}

impl Dump<'_> {
    fn of(&self, url: &'static str) -> impl Iterator<Item = &Dumped> {
        self.dumped.iter().filter(move |dumped| dumped.type_url == url)
    }

    fn clusters(&self) -> Value {
        let (mut fixed, mut active, mut warming) = (Vec::new(), Vec::new(), Vec::new());
        for dumped in self.of(type_url::CLUSTER) {
            let entry = self.entry("cluster", dumped);
            match (&dumped.state, dumped.fixed) {
                (_, true) => fixed.push(entry),
                (State::Warming(_), _) => warming.push(entry),
                _ => active.push(entry),
            }
        }
        let lists = [
            ("static_clusters", fixed),
            ("dynamic_active_clusters", active),
            ("dynamic_warming_clusters", warming),
        ];
        self.versioned("ClustersConfigDump", type_url::CLUSTER, lists)
    }

    fn endpoints(&self) -> Value {
        let entries =
            self.of(type_url::ENDPOINTS).map(|dumped| self.entry("endpoint_config", dumped)).collect();
        lists(section("EndpointsConfigDump"), [("dynamic_endpoint_configs", entries)])
    }

    /// One entry a name: what is in force, what waits, what was refused.
    fn listeners(&self) -> Value {
        let (mut fixed, mut dynamic) = (Vec::new(), Vec::<Value>::new());
        for dumped in self.of(type_url::LISTENER) {
            if dumped.fixed {
                fixed.push(self.entry("listener", dumped));
                continue;
            }
            let known = dynamic.iter().position(|entry| entry["name"] == *dumped.name);
            let at = known.unwrap_or_else(|| {
                dynamic.push(json!({ "name": &*dumped.name }));
                dynamic.len() - 1
            });
            let state =
                if matches!(dumped.state, State::Warming(_)) { "warming_state" } else { "active_state" };
            if !dumped.bytes.is_empty() {
                let mut entry = self.entry("listener", dumped);
                if let Some(fields) = entry.as_object_mut() {
                    fields.remove("error_state");
                }
                dynamic[at][state] = entry;
            }
            if let Some(error) = self.error(dumped) {
                dynamic[at]["error_state"] = error;
            }
        }
        let lists = [("static_listeners", fixed), ("dynamic_listeners", dynamic)];
        self.versioned("ListenersConfigDump", type_url::LISTENER, lists)
    }

    fn routes(&self) -> Value {
        let routes = self.of(type_url::ROUTE).map(|dumped| self.entry("route_config", dumped)).collect();
        let hosts =
            self.of(type_url::VIRTUAL_HOST).map(|dumped| self.entry("virtual_host", dumped)).collect();
        let all = [("dynamic_route_configs", routes), ("dynamic_virtual_hosts", hosts)];
        lists(section("RoutesConfigDump"), all)
    }

    /// Version, content, time and what was wrong with its last version.
    fn entry(&self, field: &str, dumped: &Dumped) -> Value {
        let mut entry = Map::new();
        if !dumped.version.is_empty() {
            entry.insert("version_info".into(), (*dumped.version).into());
        }
        if !dumped.bytes.is_empty() {
            entry.insert(field.to_owned(), (self.print)(dumped.type_url, &dumped.bytes));
            entry.insert("last_updated".into(), timestamp(dumped.since, self.now).into());
        }
        if let Some(error) = self.error(dumped) {
            entry.insert("error_state".into(), error);
        }
        entry.into()
    }

    fn error(&self, dumped: &Dumped) -> Option<Value> {
        let State::Nacked { version, message, bytes, since } = &dumped.state else { return None };
        let mut error = Map::new();
        error.insert("failed_configuration".into(), (self.print)(dumped.type_url, bytes));
        error.insert("last_update_attempt".into(), timestamp(*since, self.now).into());
        error.insert("details".into(), message.as_str().into());
        if !version.is_empty() {
            error.insert("version_info".into(), (**version).into());
        }
        Some(error.into())
    }

    /// A section whose version is that of what came last.
    fn versioned<const N: usize>(
        &self,
        kind: &str,
        url: &'static str,
        all: [(&str, Vec<Value>); N],
    ) -> Value {
        let mut section = section(kind);
        let newest = self.of(url).filter(|d| !d.fixed && !d.version.is_empty()).max_by_key(|d| d.since);
        if let Some(newest) = newest {
            section["version_info"] = (*newest.version).into();
        }
        lists(section, all)
    }
}

fn lists<const N: usize>(mut section: Value, all: [(&str, Vec<Value>); N]) -> Value {
    for (name, entries) in all {
        if !entries.is_empty() {
            section[name] = entries.into();
        }
    }
    section
}

/// RFC 3339 with milliseconds.
fn timestamp(at: Instant, (now, wall): (Instant, SystemTime)) -> String {
    let at = wall.checked_sub(now.saturating_duration_since(at)).unwrap_or(wall);
    let millis = at.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    prost_types::Timestamp::from(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}

/// Keys and passwords: Envoy's fields that are marked as sensitive, which it replaces by a word.
const SECRETS: [&str; 6] =
    ["private_key", "password", "pkcs12", "session_ticket_keys", "inline_secret", "generic_secret"];

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if SECRETS.contains(&name.as_str()) { hide(value) } else { redact(value) }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(redact),
        _ => {}
    }
}

/// Every text below becomes the word; bytes are base64 of it.
fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "inline_bytes" => *text = "W3JlZGFjdGVkXQ==".into(),
                    _ => hide(value),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(hide),
        Value::String(text) => *text = "[redacted]".into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
