//! Tracing of a connection manager: sampling, tags and the OpenTelemetry provider. Any other provider is refused by name.

use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::trace::v3::{
    OpenTelemetryConfig, tracing::Http, tracing::http::ConfigType,
};
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as pb;
use forebay_proto::envoy::r#type::tracing::v3 as tag;
use forebay_proto::envoy::r#type::v3::Percent;

use forebay_route::ClusterIx;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::{duration, each, flag, number};
use crate::names::Names;
use crate::tracing::{Collector, Tag, TagValue, Tracing, Transport};

/// Bytes of a path that Envoy shows unless told otherwise.
const PATH: u32 = 256;

/// Reads `tracing`. Without a provider there is nobody to hear of anything: Envoy then traces nothing, and so do we.
pub(super) fn tracing(
    at: &At<'_>,
    tracing: &Option<pb::Tracing>,
    names: &mut Names,
) -> Result<Option<Arc<Tracing>>, Invalid> {
    let Some(tracing) = tracing else { return Ok(None) };
    let at = at.field("tracing");
    fields!(at, tracing => pb::Tracing {
        read: [
            client_sampling, random_sampling, overall_sampling, verbose, max_path_tag_length, custom_tags, provider,
            spawn_upstream_span, no_context_propagation,
        ],
        harmless: [],
        refused: [operation, upstream_operation],
    });
    let Some(provider) = provider else { return Ok(None) };
    let tags = each(&at.field("custom_tags"), custom_tags, custom_tag)?;
    Ok(Some(Arc::new(Tracing {
        // Envoy cuts these two to whole per cents.
        client_sampling: percent(&at.field("client_sampling"), client_sampling)?.map_or(100, |p| p as u32),
        overall_sampling: percent(&at.field("overall_sampling"), overall_sampling)?.map_or(100, |p| p as u32),
        random_sampling: percent(&at.field("random_sampling"), random_sampling)?
            .map_or(10_000, |p| (p * 100.0).round() as u32),
        verbose: *verbose,
        max_path_tag_length: number(at.field("max_path_tag_length"), max_path_tag_length, 0..=u32::MAX)?
            .unwrap_or(PATH) as usize,
        tags: tags.into_iter().flatten().collect(),
        propagates: !no_context_propagation,
        upstream_span: flag(spawn_upstream_span, false),
        collector: Arc::new(collector(&at.field("provider"), provider, names)?),
    })))
}

fn percent(at: &At<'_>, percent: &Option<Percent>) -> Result<Option<f64>, Invalid> {
    match percent {
        Some(Percent { value }) if !(0.0..=100.0).contains(value) => Err(at.unsupported(value)),
        Some(Percent { value }) => Ok(Some(*value)),
        None => Ok(None),
    }
}

fn custom_tag(at: &At<'_>, custom: &tag::CustomTag) -> Result<Option<Tag>, Invalid> {
    use tag::custom_tag::Type::{Environment, Literal, Metadata, RequestHeader, Value};
    if custom.tag.is_empty() {
        return Err(at.field("tag").refuse(Rule::Empty));
    }
    let value = match &custom.r#type {
        None => return Err(at.missing("type")),
        Some(Literal(literal)) => TagValue::Literal(literal.value.as_str().into()),
        Some(Environment(variable)) => {
            let value = std::env::var(&variable.name).unwrap_or_else(|_| variable.default_value.clone());
            if value.is_empty() {
                return Ok(None);
            }
            TagValue::Literal(value.into())
        }
        Some(RequestHeader(header)) => {
            if header.name.is_empty() {
                return Err(at.field("request_header").field("name").refuse(Rule::Empty));
            }
            TagValue::Header {
                name: header.name.to_ascii_lowercase().into(),
                default: header.default_value.as_str().into(),
            }
        }
        Some(Metadata(metadata)) => return Err(at.field("metadata").unsupported(metadata)),
        Some(Value(format)) => return Err(at.field("value").unsupported(format)),
    };
    Ok(Some(Tag { name: custom.tag.as_str().into(), value }))
}

fn collector(at: &At<'_>, provider: &Http, names: &mut Names) -> Result<Collector, Invalid> {
    let Some(ConfigType::TypedConfig(any)) = &provider.config_type else {
        return Err(at.missing("typed_config"));
    };
    let at = at.field("typed_config");
    if !is::<OpenTelemetryConfig>(any) {
        return Err(unknown(&at, any));
    }
    let config: OpenTelemetryConfig = unpack(&at, any)?;
    fields!(at, &config => OpenTelemetryConfig {
        read: [grpc_service, http_service, service_name],
        // How much is kept for a collector that does not answer is bounded here in any case.
        harmless: [max_cache_size],
        refused: [
            exporter, resource_detectors, sampler, set_telemetry_sdk_resource_attributes,
            set_service_name_resource_attribute, set_instrumentation_scope,
        ],
    });
    let service_name: Arc<str> = match service_name.as_str() {
        "" => "unknown_service:envoy".into(),
        name => name.into(),
    };
    match (grpc_service, http_service) {
        (Some(grpc), None) => grpc_collector(&at.field("grpc_service"), grpc, service_name, names),
        (None, Some(http)) => http_collector(&at.field("http_service"), http, service_name, names),
        (Some(_), Some(http)) => Err(at.field("http_service").unsupported(http)),
        (None, None) => Err(at.missing("grpc_service")),
    }
}

fn grpc_collector(
    at: &At<'_>,
    grpc: &core::GrpcService,
    service_name: Arc<str>,
    names: &mut Names,
) -> Result<Collector, Invalid> {
    use core::grpc_service::TargetSpecifier::{EnvoyGrpc, GoogleGrpc};
    fields!(at, grpc => core::GrpcService {
        read: [timeout, initial_metadata, target_specifier],
        // Spans that a collector refused are counted, not sent again.
        harmless: [retry_policy],
        refused: [],
    });
    let envoy = match target_specifier {
        Some(EnvoyGrpc(envoy)) => envoy,
        Some(GoogleGrpc(google)) => return Err(at.field("google_grpc").unsupported(google)),
        None => return Err(at.missing("envoy_grpc")),
    };
    let cluster = cluster(&at.field("envoy_grpc").field("cluster_name"), &envoy.cluster_name, names)?;
    let authority = if envoy.authority.is_empty() { &envoy.cluster_name } else { &envoy.authority };
    let metadata = initial_metadata
        .iter()
        .map(|header| (header.key.to_ascii_lowercase().into(), header.value.as_str().into()))
        .collect();
    Ok(Collector {
        cluster,
        transport: Transport::Grpc { authority: authority.as_str().into(), metadata },
        timeout: duration(at.field("timeout"), timeout)?.unwrap_or_default(),
        service_name,
    })
}

fn http_collector(
    at: &At<'_>,
    http: &core::HttpService,
    service_name: Arc<str>,
    names: &mut Names,
) -> Result<Collector, Invalid> {
    use core::http_uri::HttpUpstreamType::Cluster;
    fields!(at, http => core::HttpService {
        read: [http_uri, request_headers_to_add],
        harmless: [],
        refused: [formatters],
    });
    let Some(uri) = http_uri else { return Err(at.missing("http_uri")) };
    let at_uri = at.field("http_uri");
    let Some(Cluster(name)) = &uri.http_upstream_type else { return Err(at_uri.missing("cluster")) };
    let headers = each(&at.field("request_headers_to_add"), request_headers_to_add, |at, option| {
        let Some(header) = &option.header else { return Err(at.missing("header")) };
        if header.value.contains('%') {
            // A format string: a collector is not told of one request.
            return Err(at.field("header").field("value").unsupported(&header.value));
        }
        Ok((header.key.to_ascii_lowercase().into(), header.value.as_str().into()))
    })?;
    let without_scheme = uri.uri.split_once("://").map_or(uri.uri.as_str(), |(_, rest)| rest);
    let (authority, path) = without_scheme.split_at(without_scheme.find('/').unwrap_or(without_scheme.len()));
    if authority.is_empty() {
        return Err(at_uri.field("uri").refuse(Rule::Empty));
    }
    Ok(Collector {
        cluster: cluster(&at_uri.field("cluster"), name, names)?,
        transport: Transport::Http {
            authority: authority.into(),
            path: if path.is_empty() { "/".into() } else { path.into() },
            headers,
        },
        timeout: duration(at_uri.field("timeout"), &uri.timeout)?.unwrap_or_default(),
        service_name,
    })
}

/// Kept for good, as a filter's: collectors are few, and nobody counts who still has spans for one.
fn cluster(at: &At<'_>, name: &str, names: &mut Names) -> Result<ClusterIx, Invalid> {
    if name.is_empty() {
        return Err(at.refuse(Rule::Empty));
    }
    let ix = names.cluster(name);
    names.hold(ix);
    Ok(ix)
}
