//! What a bootstrap says of the process: admin interface, runtime, overload. Knows nothing of streams.

use std::net::SocketAddr;
use std::sync::Arc;

use forebay_model::AccessLogConfig;
use forebay_proto::envoy::config::bootstrap::v3 as pb;
use forebay_proto::envoy::config::core::v3::{Address, TypedExtensionConfig};
use forebay_proto::envoy::config::overload::v3::{OverloadManager, resource_monitor};
use forebay_proto::envoy::extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig;
use forebay_proto::google::protobuf::value::Kind;
use prost::Message;

use super::problem::Problem;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) admin: Option<SocketAddr>,
    pub(super) admin_logs: Vec<AccessLogConfig>,
    pub(super) max_connections: Option<usize>,
}

pub(super) fn read(bootstrap: &pb::Bootstrap, warnings: &mut Vec<Problem>) -> Result<Options, Problem> {
    let mut options = Options::default();
    if let Some(address) = bootstrap.admin.as_ref().and_then(|admin| admin.address.as_ref()) {
        options.admin = Some(socket(address, "admin.address")?);
    }
    if let Some(admin) = &bootstrap.admin {
        options.admin_logs = admin_logs(admin)?;
    }
    if let Some(runtime) = &bootstrap.layered_runtime {
        layers(runtime, &mut options, warnings)?;
    }
    if let Some(overload) = &bootstrap.overload_manager {
        monitors(overload, &mut options, warnings);
    }
    if let Some(extension) = bootstrap.bootstrap_extensions.first() {
        return Err(unsupported(extension, "bootstrap_extensions[0]"));
    }
    extension(&bootstrap.default_regex_engine, "default_regex_engine", &["GoogleRE2"])?;
    resolver(&bootstrap.typed_dns_resolver_config)?;
    let interface = &bootstrap.default_socket_interface;
    if !matches!(
        interface.as_str(),
        "" | "envoy.extensions.network.socket_interface.default_socket_interface"
    ) {
        return Err(Problem::at(0, "default_socket_interface", format!("{interface:?} is not supported")));
    }
    Ok(options)
}

/// Envoy's default line in the file of the old field, and whatever the new one says.
#[expect(deprecated, reason = "older bootstraps say it so")]
fn admin_logs(admin: &pb::Admin) -> Result<Vec<AccessLogConfig>, Problem> {
    let mut logs = forebay_model::loose_access_logs(&admin.access_log)
        .map_err(|error| Problem::at(0, format!("admin.{}", error.path), error.rule.to_string()))?;
    if logs.iter().any(|log| log.filter.is_some()) {
        return Err(Problem::at(0, "admin.access_log", "a filter is not supported"));
    }
    if !admin.access_log_path.is_empty() {
        let path = admin.access_log_path.as_str().into();
        logs.push(AccessLogConfig { path, format: Arc::default(), filter: None });
    }
    Ok(logs)
}

fn socket(address: &Address, path: &str) -> Result<SocketAddr, Problem> {
    use forebay_proto::envoy::config::core::v3::address::Address as Kind;
    use forebay_proto::envoy::config::core::v3::socket_address::PortSpecifier;
    let wrong = |message: String| Problem::at(0, path, message);
    let Some(Kind::SocketAddress(socket)) = &address.address else {
        return Err(wrong("only socket_address is supported".to_owned()));
    };
    let ip =
        socket.address.parse().map_err(|_| wrong(format!("{:?} is not an IP address", socket.address)))?;
    let port = match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => {
            u16::try_from(port).map_err(|_| wrong(format!("{port} is not a port")))?
        }
        _ => return Err(wrong("has no port_value".to_owned())),
    };
    Ok(SocketAddr::new(ip, port))
}

/// The one runtime key that changes what this program does.
const MAX_CONNECTIONS: &str = "overload.global_downstream_max_connections";

fn layers(
    runtime: &pb::LayeredRuntime,
    options: &mut Options,
    warnings: &mut Vec<Problem>,
) -> Result<(), Problem> {
    use pb::runtime_layer::LayerSpecifier::{AdminLayer, DiskLayer, RtdsLayer, StaticLayer};
    for (index, layer) in runtime.layers.iter().enumerate() {
        let path = format!("layered_runtime.layers[{index}]");
        let mut idle =
            |path: String, why: &str| warnings.push(Problem::at(0, path, format!("has no effect: {why}")));
        match &layer.layer_specifier {
            Some(StaticLayer(values)) => {
                for (key, value) in &values.fields {
                    let path = format!("{path}.static_layer[{key:?}]");
                    if key == MAX_CONNECTIONS {
                        options.max_connections = Some(count(value.kind.as_ref(), &path)?);
                    } else {
                        idle(path, "this program has no such switch");
                    }
                }
            }
            Some(AdminLayer(_)) => {}
            Some(DiskLayer(_)) => {
                idle(format!("{path}.disk_layer"), "runtime values are not read from a disk")
            }
            Some(RtdsLayer(_)) => idle(format!("{path}.rtds_layer"), "runtime values are not subscribed to"),
            None => return Err(Problem::at(0, path, "says no kind of layer")),
        }
    }
    Ok(())
}

fn count(value: Option<&Kind>, path: &str) -> Result<usize, Problem> {
    let number = match value {
        Some(Kind::NumberValue(number)) => Some(*number),
        Some(Kind::StringValue(text)) => text.parse().ok(),
        _ => None,
    };
    // 2^53: beyond, the number is not exact.
    let whole = number.filter(|n| n.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(n));
    whole.map(|n| n as usize).ok_or_else(|| Problem::at(0, path, "is not a count"))
}

fn monitors(overload: &OverloadManager, options: &mut Options, warnings: &mut Vec<Problem>) {
    for (index, monitor) in overload.resource_monitors.iter().enumerate() {
        let limit = match &monitor.config_type {
            Some(resource_monitor::ConfigType::TypedConfig(any))
                if any.type_url.ends_with(".DownstreamConnectionsConfig") =>
            {
                DownstreamConnectionsConfig::decode(any.value.as_slice()).ok()
            }
            _ => None,
        };
        match limit.and_then(|limit| usize::try_from(limit.max_active_downstream_connections).ok()) {
            Some(limit) => options.max_connections = Some(limit),
            None => warnings.push(Problem::at(
                0,
                format!("overload_manager.resource_monitors[{index}]"),
                format!("has no effect: {:?} is not measured", monitor.name),
            )),
        }
    }
    for (what, count) in
        [("actions", overload.actions.len()), ("loadshed_points", overload.loadshed_points.len())]
    {
        if count > 0 {
            let path = format!("overload_manager.{what}");
            warnings.push(Problem::at(
                0,
                path,
                "has no effect: queues, bodies and connections are bounded one by one",
            ));
        }
    }
}

/// An extension of which only the usual kind is here.
fn extension(found: &Option<TypedExtensionConfig>, path: &str, known: &[&str]) -> Result<(), Problem> {
    match found {
        Some(extension) if !known.iter().any(|known| short_name(extension) == *known) => {
            Err(unsupported(extension, path))
        }
        _ => Ok(()),
    }
}

/// The system's resolver is asked, whatever resolver is configured; but not instead of particular servers.
fn resolver(found: &Option<TypedExtensionConfig>) -> Result<(), Problem> {
    use forebay_proto::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
    const PATH: &str = "typed_dns_resolver_config";
    extension(found, PATH, &["CaresDnsResolverConfig", "GetAddrInfoDnsResolverConfig"])?;
    let cares = found.as_ref().filter(|found| short_name(found) == "CaresDnsResolverConfig");
    let cares = cares
        .and_then(|found| CaresDnsResolverConfig::decode(found.typed_config.as_ref()?.value.as_slice()).ok());
    match cares {
        Some(cares) if !cares.resolvers.is_empty() => Err(Problem::at(
            0,
            format!("{PATH}.typed_config.resolvers"),
            "is not supported: the system's resolver is asked",
        )),
        _ => Ok(()),
    }
}

fn short_name(extension: &TypedExtensionConfig) -> &str {
    extension.typed_config.as_ref().map_or("", |any| any.type_url.rsplit('.').next().unwrap_or_default())
}

fn unsupported(extension: &TypedExtensionConfig, path: &str) -> Problem {
    let url = extension.typed_config.as_ref().map_or(extension.name.as_str(), |any| any.type_url.as_str());
    Problem::at(0, format!("{path}.typed_config.@type"), format!("extension type {url:?} is not supported"))
}
