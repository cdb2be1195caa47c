//! Revision to Cluster: how to speak to it, and Knative's facts as metadata under `forebay.revision`.

use std::collections::HashMap;
use std::time::Duration;

use forebay_knative::RevisionKey;
use forebay_knative::api::{Protocol, Revision};
use forebay_proto::envoy::config::cluster::v3 as pb;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::upstreams::http::v3 as http;
use forebay_proto::google::protobuf::{Struct, Value, value::Kind};
use prost::Name;

use super::Settings;
use super::wrap::{ads, any, duration, number};

/// Kourier's, and Envoy's default: replicas answer in a millisecond or not at all.
const CONNECT: Duration = Duration::from_secs(5);
/// Circuit breakers that never break: containerConcurrency and the waiting room are what bounds a revision.
const UNBOUNDED: u32 = u32::MAX;

/// The cluster's name: `<namespace>/<revision>`, as Kourier names them.
pub fn cluster_name(key: &RevisionKey) -> String {
    key.to_string()
}

/// The cluster of a revision.
pub fn cluster(key: &RevisionKey, revision: &Revision, settings: &Settings) -> pb::Cluster {
    pb::Cluster {
        name: cluster_name(key),
        cluster_discovery_type: Some(pb::cluster::ClusterDiscoveryType::Type(
            pb::cluster::DiscoveryType::Eds as i32,
        )),
        eds_cluster_config: Some(pb::cluster::EdsClusterConfig { eds_config: ads(), ..Default::default() }),
        connect_timeout: duration(CONNECT),
        lb_policy: pb::cluster::LbPolicy::LeastRequest as i32,
        circuit_breakers: Some(unbounded()),
        typed_extension_protocol_options: match revision.spec.protocol() {
            Protocol::Http1 => HashMap::new(),
            Protocol::H2c => h2c(),
        },
        metadata: Some(core::Metadata {
            filter_metadata: [("forebay.revision".to_owned(), facts(key, revision, settings))].into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn unbounded() -> pb::CircuitBreakers {
    let thresholds = pb::circuit_breakers::Thresholds {
        max_connections: number(UNBOUNDED),
        max_pending_requests: number(UNBOUNDED),
        max_requests: number(UNBOUNDED),
        max_retries: number(UNBOUNDED),
        ..Default::default()
    };
    pb::CircuitBreakers { thresholds: vec![thresholds], ..Default::default() }
}

fn h2c() -> HashMap<String, forebay_proto::Any> {
    use http::http_protocol_options::explicit_http_config::ProtocolConfig::Http2ProtocolOptions;
    use http::http_protocol_options::{ExplicitHttpConfig, UpstreamProtocolOptions};
    let explicit = ExplicitHttpConfig { protocol_config: Some(Http2ProtocolOptions(Default::default())) };
    let options = http::HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..Default::default()
    };
    [(http::HttpProtocolOptions::full_name(), any(&options))].into()
}

/// What the gateway wants to know of a revision and Envoy has no word for. Times in milliseconds; 0 is off.
fn facts(key: &RevisionKey, revision: &Revision, settings: &Settings) -> Struct {
    let spec = &revision.spec;
    let millis = |seconds: u32| number_value(f64::from(seconds) * 1000.0);
    let mut fields: HashMap<String, Value> = [
        ("namespace", text_value(&key.namespace)),
        ("name", text_value(&key.name)),
        ("service", text_value(revision.service.as_deref().unwrap_or_default())),
        ("configuration", text_value(&revision.configuration)),
        ("container_concurrency", number_value(spec.container_concurrency.into())),
        ("max_waiting", number_value(settings.max_waiting.into())),
        ("max_waiting_bytes", number_value(settings.max_waiting_bytes as f64)),
        (
            "wait_timeout_ms",
            number_value(wait(
                spec.timeout_seconds,
                spec.response_start_timeout_seconds,
                settings.wait_timeout,
            )),
        ),
        ("timeout_ms", millis(spec.timeout_seconds)),
        ("response_start_timeout_ms", millis(spec.response_start_timeout_seconds)),
        ("idle_timeout_ms", millis(spec.idle_timeout_seconds)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if let Some(report) = &settings.report {
        fields.insert("report".to_owned(), text_value(report));
    }
    Struct { fields }
}

/// In milliseconds. A request waits no longer than it might have taken (Knative's activator knows no other bound), nor than
/// the installation lets it.
fn wait(timeout: u32, response_start: u32, most: Duration) -> f64 {
    let seconds = if response_start == 0 { timeout } else { response_start.min(timeout) };
    Duration::from_secs(seconds.into()).min(most).as_millis() as f64
}

fn text_value(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn number_value(number: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(number)) }
}
