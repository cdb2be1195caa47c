//! Where the configuration comes from: the bootstrap's ADS stream and who opens it, or files. Knows nothing of what comes.

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{EVERYTHING, FileResource};
use forebay_proto::envoy::config::bootstrap::v3::bootstrap::DynamicResources;
use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::core::v3::api_config_source::ApiType;
use forebay_proto::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use forebay_proto::envoy::config::core::v3::grpc_service::TargetSpecifier;
use forebay_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use forebay_proto::envoy::config::core::v3::{
    ApiConfigSource, ApiVersion, ConfigSource, Node, PathConfigSource, address,
};
use forebay_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use forebay_proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use forebay_proto::envoy::extensions::upstreams::http::v3::http_protocol_options::UpstreamProtocolOptions;
use forebay_proto::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;
use forebay_proto::type_url;
use forebay_xds_client::{Connection, MAX_NACKS, NACK_REFILL};
use prost::Message;

use super::Identity;
use super::problem::Problem;
use crate::{Mode, Target, Xds};

const ADS: &str = "dynamic_resources.ads_config";

/// Lets the command line have its say in who this proxy is.
pub(super) fn identify(node: &mut Node, identity: &Identity) {
    let set = |field: &mut String, said: &str| {
        if !said.is_empty() {
            said.clone_into(field);
        }
    };
    set(&mut node.id, &identity.node);
    set(&mut node.cluster, &identity.cluster);
    if !identity.zone.is_empty() {
        set(&mut node.locality.get_or_insert_default().zone, &identity.zone);
    }
}

/// What is subscribed to.
#[derive(Default)]
pub(super) struct Sources {
    /// The stream, if there is one.
    pub(super) xds: Option<Xds>,
    /// Files, by the type they have all of.
    pub(super) files: Vec<(String, FileResource)>,
}

/// What is subscribed to, and where.
pub(super) fn read(
    dynamic: &DynamicResources,
    clusters: &[Cluster],
    node: &Node,
) -> Result<Sources, Problem> {
    let (mut wildcards, mut files) = (Vec::new(), Vec::new());
    for (field, source, url) in [
        ("cds_config", &dynamic.cds_config, type_url::CLUSTER),
        ("lds_config", &dynamic.lds_config, type_url::LISTENER),
    ] {
        if let Some(source) = source {
            match in_file(source, &format!("dynamic_resources.{field}"))? {
                Some(file) => files.push((url.to_owned(), file)),
                None => wildcards.push(url.to_owned()),
            }
        }
    }
    let Some(ads) = &dynamic.ads_config else {
        return match wildcards.is_empty() {
            true => Ok(Sources { xds: None, files }),
            false => Err(Problem::at(0, "dynamic_resources", "has an ads source but no ads_config")),
        };
    };
    // As in Envoy: a control plane has to know whom it talks to.
    for (field, value) in [("id", &node.id), ("cluster", &node.cluster)] {
        if value.is_empty() {
            let flag = if field == "id" { "--service-node" } else { "--service-cluster" };
            let message = format!("is empty; a control plane needs it (or {flag})");
            return Err(Problem::at(0, format!("node.{field}"), message));
        }
    }
    let (cluster, path) = cluster(ads, clusters)?;
    let mut xds = Xds::of_node(dial(cluster, &path)?, node.clone());
    xds.mode = mode(ads)?;
    xds.connection = connection(cluster, &path)?;
    xds.nacks = nacks(ads)?;
    if let Some(longest) = max_response(ads) {
        xds.connection.max_response = longest;
    }
    xds.wildcards = wildcards;
    Ok(Sources { xds: Some(xds), files })
}

/// The file that a source names; `None` is the stream.
fn in_file(source: &ConfigSource, path: &str) -> Result<Option<FileResource>, Problem> {
    version(source.resource_api_version, &format!("{path}.resource_api_version"))?;
    let there = |field: &str, file: &str| match std::fs::metadata(file) {
        Ok(_) => Ok(Arc::from(file)),
        Err(error) => Err(Problem::at(0, format!("{path}.{field}"), format!("{file}: {error}"))),
    };
    match &source.config_source_specifier {
        Some(ConfigSourceSpecifier::Ads(_)) => Ok(None),
        Some(ConfigSourceSpecifier::PathConfigSource(file)) => {
            let directory = file.watched_directory.as_ref();
            let poll = poll(file, &format!("{path}.path_config_source.poll_interval"))?;
            Ok(Some(FileResource {
                path: there("path_config_source.path", &file.path)?,
                directory: directory
                    .map(|watched| there("path_config_source.watched_directory.path", &watched.path))
                    .transpose()?,
                poll,
                name: EVERYTHING.into(),
            }))
        }
        #[expect(deprecated, reason = "older bootstraps have it here")]
        Some(ConfigSourceSpecifier::Path(file)) => {
            let (path, name) = (there("path", file)?, EVERYTHING.into());
            Ok(Some(FileResource { path, directory: None, poll: None, name }))
        }
        Some(_) => Err(Problem::at(0, path, "is not supported: ads and path_config_source are")),
        None => Err(Problem::at(0, path, "says no source; ads and path_config_source are supported")),
    }
}

/// How often a file is read anew, if it says so.
fn poll(file: &PathConfigSource, path: &str) -> Result<Option<Duration>, Problem> {
    if file.poll_interval.is_none() {
        return Ok(None);
    }
    if file.watched_directory.is_some() {
        return Err(Problem::at(0, path, "cannot be there together with watched_directory"));
    }
    let read = time(&file.poll_interval).filter(|poll| *poll >= FileResource::SHORTEST_POLL);
    read.map(Some).ok_or_else(|| Problem::at(0, path, "is no duration of a millisecond or more"))
}

fn version(version: i32, path: &str) -> Result<(), Problem> {
    match ApiVersion::try_from(version) {
        Ok(ApiVersion::V3) => Ok(()),
        other => {
            let name = other.map_or("an unknown version", |version| version.as_str_name());
            Err(Problem::at(0, path, format!("is {name}; V3 is the only version left")))
        }
    }
}

fn mode(ads: &ApiConfigSource) -> Result<Mode, Problem> {
    version(ads.transport_api_version, &format!("{ADS}.transport_api_version"))?;
    match ApiType::try_from(ads.api_type) {
        Ok(ApiType::Grpc) => Ok(Mode::StateOfTheWorld),
        Ok(ApiType::DeltaGrpc) => Ok(Mode::Delta),
        other => {
            let name = other.map_or("an unknown type", |kind| kind.as_str_name());
            Err(Problem::at(
                0,
                format!("{ADS}.api_type"),
                format!("is {name}; GRPC and DELTA_GRPC are supported"),
            ))
        }
    }
}

/// The cluster that the stream goes to, and its path.
fn cluster<'c>(ads: &ApiConfigSource, clusters: &'c [Cluster]) -> Result<(&'c Cluster, String), Problem> {
    let path = format!("{ADS}.grpc_services");
    let [service] = ads.grpc_services.as_slice() else {
        return Err(Problem::at(
            0,
            path,
            format!("has {} services; one is supported", ads.grpc_services.len()),
        ));
    };
    let path = format!("{path}[0]");
    if !service.initial_metadata.is_empty() {
        return Err(Problem::at(0, format!("{path}.initial_metadata"), "is not supported"));
    }
    let Some(TargetSpecifier::EnvoyGrpc(envoy)) = &service.target_specifier else {
        return Err(Problem::at(0, path, "only envoy_grpc is supported"));
    };
    let wanted = &envoy.cluster_name;
    let Some(index) = clusters.iter().position(|cluster| cluster.name == *wanted) else {
        let path = format!("{path}.envoy_grpc.cluster_name");
        return Err(Problem::at(0, path, format!("no static cluster is named {wanted:?}")));
    };
    Ok((&clusters[index], format!("static_resources.clusters[{index}]")))
}

/// Pauses between connections, as Envoy's streams have them.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The cluster's settings as the stream's connection obeys them.
fn connection(cluster: &Cluster, path: &str) -> Result<Connection, Problem> {
    let mut connection = Connection { pause: PAUSE, ping: None, ..Connection::default() };
    if let Some(timeout) = time(&cluster.connect_timeout) {
        connection.connect_timeout = timeout;
    }
    const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let http2 = match cluster.typed_extension_protocol_options.get(OPTIONS) {
        Some(any) => HttpProtocolOptions::decode(any.value.as_slice()).ok().and_then(|options| match options
            .upstream_protocol_options?
        {
            UpstreamProtocolOptions::ExplicitHttpConfig(explicit) => match explicit.protocol_config? {
                ProtocolConfig::Http2ProtocolOptions(http2) => Some(http2),
                _ => None,
            },
            UpstreamProtocolOptions::UseDownstreamProtocolConfig(config) => config.http2_protocol_options,
            UpstreamProtocolOptions::AutoConfig(_) => None,
        }),
        #[expect(deprecated, reason = "older bootstraps have it here")]
        None => cluster.http2_protocol_options.clone(),
    };
    let Some(http2) = http2 else {
        let path = format!("{path}.typed_extension_protocol_options");
        return Err(Problem::at(0, path, "has no http2_protocol_options, which gRPC needs"));
    };
    let alive = http2.connection_keepalive;
    connection.ping = alive.and_then(|alive| Some((time(&alive.interval)?, time(&alive.timeout)?)));
    Ok(connection)
}

/// How many NACKs at once, and how long one more takes: `rate_limit_settings`, or Envoy's defaults for it.
fn nacks(ads: &ApiConfigSource) -> Result<(u32, Duration), Problem> {
    let Some(limit) = &ads.rate_limit_settings else { return Ok((MAX_NACKS, NACK_REFILL)) };
    let burst = limit.max_tokens.as_ref().map_or(MAX_NACKS, |tokens| tokens.value);
    let refill = match limit.fill_rate.as_ref().map(|rate| rate.value) {
        None => NACK_REFILL,
        Some(rate) if rate > 0.0 => Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX),
        Some(rate) => {
            let path = format!("{ADS}.rate_limit_settings.fill_rate");
            return Err(Problem::at(0, path, format!("{rate} is not a rate above 0")));
        }
    };
    Ok((burst, refill))
}

fn max_response(ads: &ApiConfigSource) -> Option<usize> {
    match ads.grpc_services.first()?.target_specifier.as_ref()? {
        TargetSpecifier::EnvoyGrpc(envoy) => {
            usize::try_from(envoy.max_receive_message_length.as_ref()?.value).ok()
        }
        TargetSpecifier::GoogleGrpc(_) => None,
    }
}

fn time(duration: &Option<forebay_proto::google::protobuf::Duration>) -> Option<Duration> {
    let duration = duration.as_ref()?;
    Some(Duration::new(u64::try_from(duration.seconds).ok()?, u32::try_from(duration.nanos).ok()?))
}

/// Where the cluster's endpoint is.
fn dial(cluster: &Cluster, path: &str) -> Result<Target, Problem> {
    if let Some(socket) = &cluster.transport_socket {
        let message = format!("{:?} is not supported towards the control plane", socket.name);
        return Err(Problem::at(0, format!("{path}.transport_socket"), message));
    }
    let path = format!("{path}.load_assignment");
    let hosts =
        cluster.load_assignment.iter().flat_map(|load| &load.endpoints).flat_map(|at| &at.lb_endpoints);
    let mut targets = hosts.filter_map(|host| {
        let Some(HostIdentifier::Endpoint(endpoint)) = &host.host_identifier else { return None };
        match endpoint.address.as_ref()?.address.as_ref()? {
            address::Address::SocketAddress(socket) => {
                let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else { return None };
                let host = &socket.address;
                let v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
                Some(Target::Tcp(if v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") }))
            }
            address::Address::Pipe(pipe) => Some(Target::Unix(pipe.path.clone().into())),
            _ => None,
        }
    });
    targets.next().ok_or_else(|| Problem::at(0, path, "has no endpoint with an address and a port"))
}
