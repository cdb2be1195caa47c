//! `route.v3.RouteAction`: which clusters get a request, in which shares, and how it changes on the way.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::core::v3::RoutingPriority;
use forebay_proto::envoy::config::route::v3 as pb;
use forebay_route::{
    Forward, ForwardSettings, GrpcClock, GrpcTimeout, HostRewrite, PathRewrite, Rare, Retry, Split, Upgrades,
    Weighted,
};

use super::at::At;
use super::fields::fields;
use super::headers::{Lists, header_ops, is_token};
use super::invalid::{Invalid, Rule};
use super::per_filter::per_filter;
use super::redirect::regex_rewrite;
use super::retry::retry;
use super::scalar::{choice, duration, each, flag, number};
use crate::names::Names;

/// Envoy's default for a whole response.
const TIMEOUT: Duration = Duration::from_secs(15);

/// What a virtual host says for those of its routes that do not say otherwise.
#[derive(Default, Clone)]
pub(crate) struct Inherited {
    pub(crate) retry: Option<Arc<Retry>>,
    pub(crate) rare: Rare,
}

/// Reads where a route leads.
pub(crate) fn forward(
    at: &At<'_>,
    message: &pb::RouteAction,
    inherited: Inherited,
    names: &mut Names,
) -> Result<Forward, Invalid> {
    fields!(at, message => pb::RouteAction {
        read: [
            cluster_not_found_response_code, prefix_rewrite, regex_rewrite, timeout, idle_timeout, retry_policy, priority,
            upgrade_configs, cluster_specifier, host_rewrite_specifier, internal_redirect_action, max_stream_duration,
            max_grpc_timeout, grpc_timeout_offset, append_x_forwarded_host,
        ],
        harmless: [
            // 0-RTT needs TLS; when buffers are flushed is ours to choose; the rest belongs to refused fields.
            early_data_policy, flush_timeout, include_vh_rate_limits, max_internal_redirects,
        ],
        refused: [
            metadata_match, path_rewrite_policy, path_rewrite, retry_policy_typed_config,
            request_mirror_policies, rate_limits, hash_policy, cors, internal_redirect_policy, hedge_policy,
        ],
    });
    let Inherited { retry: inherited, mut rare } = inherited;
    rare.high_priority = choice::<RoutingPriority>(at.field("priority"), *priority)? == RoutingPriority::High;
    rare.grpc_timeout = grpc_timeout(at, max_grpc_timeout, grpc_timeout_offset)?;
    if let Some(stream) = max_stream_duration {
        stream_duration(&at.field("max_stream_duration"), stream, &mut rare)?;
    }
    // A route that limits the stream does not limit the response (Envoy: "new timeouts").
    let timeout = match max_stream_duration {
        None => Some(duration(at.field("timeout"), timeout)?.unwrap_or(TIMEOUT)).filter(|t| !t.is_zero()),
        Some(_) => None,
    };
    if *internal_redirect_action != 0 {
        return Err(at
            .field("internal_redirect_action")
            .unsupported(format_args!("HANDLE_INTERNAL_REDIRECT")));
    }
    rare.no_cluster_status =
        no_cluster(at.field("cluster_not_found_response_code"), *cluster_not_found_response_code)?;
    rare.forwarded_host = *append_x_forwarded_host;
    if let Some(pb::route_action::ClusterSpecifier::ClusterHeader(header)) = cluster_specifier {
        rare.cluster_header = Some(names.text(&cluster_header(&at.field("cluster_header"), header)?));
    }
    rare.path_rewrite = match (prefix_rewrite.as_str(), regex_rewrite) {
        ("", None) => None,
        (prefix, None) => Some(PathRewrite::Prefix(prefix.into())),
        (_, Some(rewrite)) => {
            Some(PathRewrite::Regex(self::regex_rewrite(&at.field("regex_rewrite"), rewrite)?))
        }
    };
    let host_rewrite = host_rewrite_specifier.as_ref().map(|rewrite| host_rewrite(at, rewrite, names));
    rare.host_rewrite = host_rewrite.transpose()?.flatten();
    let clusters = clusters(at, cluster_specifier, names)?;
    let settings = ForwardSettings {
        timeout,
        idle_timeout: duration(at.field("idle_timeout"), idle_timeout)?,
        upgrades: upgrades(&at.field("upgrade_configs"), upgrade_configs, names, &mut rare)?,
        retry: match retry_policy {
            Some(policy) => Some(Arc::new(retry(&at.field("retry_policy"), policy, names)?)),
            None => inherited,
        },
        rare: (rare != Rare::default()).then(|| Arc::new(rare)),
    };
    Ok(Forward { clusters, settings: names.forwards.one(settings) })
}

/// The status of an answer to a request whose cluster is not there, where it is another than 503.
fn no_cluster(at: At<'_>, code: i32) -> Result<Option<u16>, Invalid> {
    use pb::route_action::ClusterNotFoundResponseCode::{InternalServerError, NotFound, ServiceUnavailable};
    Ok(match choice(at, code)? {
        ServiceUnavailable => None,
        NotFound => Some(404),
        InternalServerError => Some(500),
    })
}

fn cluster_header(at: &At<'_>, name: &str) -> Result<String, Invalid> {
    match is_token(name) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err(at.refuse(Rule::BadHeaderName(name.to_owned()))),
    }
}

/// The older of the two ways to obey `grpc-timeout`: it replaces the response's timeout.
fn grpc_timeout(
    at: &At<'_>,
    max: &Option<forebay_proto::google::protobuf::Duration>,
    offset: &Option<forebay_proto::google::protobuf::Duration>,
) -> Result<Option<GrpcTimeout>, Invalid> {
    let Some(max) = duration(at.field("max_grpc_timeout"), max)? else { return Ok(None) };
    let offset = duration(at.field("grpc_timeout_offset"), offset)?.unwrap_or_default();
    Ok(Some(GrpcTimeout { sets: GrpcClock::Response, max, offset }))
}

fn stream_duration(
    at: &At<'_>,
    message: &pb::route_action::MaxStreamDuration,
    rare: &mut Rare,
) -> Result<(), Invalid> {
    fields!(at, message => pb::route_action::MaxStreamDuration {
        read: [max_stream_duration, grpc_timeout_header_max, grpc_timeout_header_offset],
        harmless: [],
        refused: [],
    });
    rare.max_stream_duration = duration(at.field("max_stream_duration"), max_stream_duration)?;
    let max = duration(at.field("grpc_timeout_header_max"), grpc_timeout_header_max)?;
    let offset = duration(at.field("grpc_timeout_header_offset"), grpc_timeout_header_offset)?;
    rare.grpc_timeout =
        max.map(|max| GrpcTimeout { sets: GrpcClock::Stream, max, offset: offset.unwrap_or_default() });
    Ok(())
}

fn clusters(
    at: &At<'_>,
    specifier: &Option<pb::route_action::ClusterSpecifier>,
    names: &mut Names,
) -> Result<Weighted, Invalid> {
    use pb::route_action::ClusterSpecifier::{
        Cluster, ClusterHeader, ClusterSpecifierPlugin, InlineClusterSpecifierPlugin, WeightedClusters,
    };
    match specifier {
        Some(Cluster(name)) if name.is_empty() => Err(at.field("cluster").refuse(Rule::Empty)),
        Some(Cluster(name)) => {
            let ix = names.cluster(name);
            Ok(Weighted::single(ix, names.text(name)))
        }
        Some(WeightedClusters(weighted)) => {
            weighted_clusters(&at.field("weighted_clusters"), weighted, names)
        }
        // The name of the header is with what few routes say.
        Some(ClusterHeader(_)) => Ok(Weighted::nowhere()),
        Some(ClusterSpecifierPlugin(name)) => Err(at.field("cluster_specifier_plugin").unsupported(name)),
        Some(InlineClusterSpecifierPlugin(_)) => {
            Err(at.field("inline_cluster_specifier_plugin").unsupported(format_args!("a plugin")))
        }
        None => Err(at.missing("cluster_specifier")),
    }
}

fn weighted_clusters(
    at: &At<'_>,
    message: &pb::WeightedCluster,
    names: &mut Names,
) -> Result<Weighted, Invalid> {
    fields!(at, message => pb::WeightedCluster {
        read: [clusters, total_weight],
        // There is no runtime that could override weights.
        harmless: [runtime_key_prefix],
        refused: [random_value_specifier],
    });
    let list = at.field("clusters");
    let splits = each(&list, clusters, |at, weight| cluster_weight(at, weight, names))?;
    let sum: u64 = splits.iter().map(|split| u64::from(split.weight)).sum();
    if number(at.field("total_weight"), total_weight, 1..=u32::MAX)?
        .is_some_and(|total| u64::from(total) != sum)
    {
        return Err(at.field("total_weight").refuse(Rule::BadWeights(sum)));
    }
    Weighted::new(splits).map_err(|_| list.refuse(Rule::BadWeights(sum)))
}

fn cluster_weight(
    at: &At<'_>,
    message: &pb::weighted_cluster::ClusterWeight,
    names: &mut Names,
) -> Result<Split, Invalid> {
    use pb::weighted_cluster::cluster_weight::HostRewriteSpecifier::HostRewriteLiteral;
    fields!(at, message => pb::weighted_cluster::ClusterWeight {
        read: [
            name, weight, request_headers_to_add, request_headers_to_remove, response_headers_to_add,
            response_headers_to_remove, typed_per_filter_config, host_rewrite_specifier, cluster_header,
        ],
        harmless: [],
        refused: [metadata_match],
    });
    let (cluster, name) = match (name.as_str(), cluster_header.as_str()) {
        ("", "") => return Err(at.field("name").refuse(Rule::Empty)),
        (name, "") => (names.cluster(name), names.text(name)),
        ("", header) => {
            let header = self::cluster_header(&at.field("cluster_header"), header)?;
            (Split::BY_HEADER, names.text(&header))
        }
        (name, _) => return Err(at.field("cluster_header").unsupported(format_args!("beside {name:?}"))),
    };
    Ok(Split {
        cluster,
        name,
        weight: number(at.field("weight"), weight, 0..=u32::MAX)?.ok_or_else(|| at.missing("weight"))?,
        headers: header_ops(
            at,
            Lists {
                request_add: request_headers_to_add,
                request_remove: request_headers_to_remove,
                response_add: response_headers_to_add,
                response_remove: response_headers_to_remove,
            },
            names,
        )?,
        filters: per_filter(at, typed_per_filter_config, names)?,
        host_rewrite: match host_rewrite_specifier {
            Some(HostRewriteLiteral(host)) if !host.is_empty() => Some(names.text(host)),
            _ => None,
        },
    })
}

fn host_rewrite(
    at: &At<'_>,
    specifier: &pb::route_action::HostRewriteSpecifier,
    names: &mut Names,
) -> Result<Option<HostRewrite>, Invalid> {
    use pb::route_action::HostRewriteSpecifier::{
        AutoHostRewrite, HostRewrite as Format, HostRewriteHeader, HostRewriteLiteral, HostRewritePathRegex,
    };
    match specifier {
        HostRewriteLiteral(host) if host.is_empty() => Ok(None),
        HostRewriteLiteral(host) => Ok(Some(HostRewrite::Literal(names.text(host)))),
        HostRewriteHeader(header) => Ok(Some(HostRewrite::Header(header.to_ascii_lowercase().into()))),
        HostRewritePathRegex(rewrite) => {
            let rewrite = regex_rewrite(&at.field("host_rewrite_path_regex"), rewrite)?;
            Ok(Some(HostRewrite::Path(rewrite)))
        }
        AutoHostRewrite(on) if on.value => Ok(Some(HostRewrite::Endpoint)),
        AutoHostRewrite(_) => Ok(None),
        Format(format) => Err(at.field("host_rewrite").unsupported(format)),
    }
}

fn upgrades(
    at: &At<'_>,
    configs: &[pb::route_action::UpgradeConfig],
    names: &mut Names,
    rare: &mut Rare,
) -> Result<Option<Arc<Upgrades>>, Invalid> {
    let mut upgrades = Upgrades::with_capacity(configs.len());
    for (index, config) in configs.iter().enumerate() {
        let at = at.index(index);
        fields!(at, config => pb::route_action::UpgradeConfig {
            read: [upgrade_type, enabled, connect_config],
            harmless: [],
            refused: [],
        });
        if let Some(config) = connect_config {
            let place = at.field("connect_config");
            fields!(place, config => pb::route_action::upgrade_config::ConnectConfig {
                read: [],
                harmless: [],
                refused: [proxy_protocol_config, allow_post],
            });
            if !upgrade_type.eq_ignore_ascii_case("connect") {
                return Err(place.unsupported(format_args!("of {upgrade_type}")));
            }
            rare.connect_ends = true;
        }
        let kind = names.text(&upgrade(&at, upgrade_type)?);
        if upgrades.iter().any(|(known, _)| *known == kind) {
            return Err(at.field("upgrade_type").refuse(Rule::DuplicateName(kind.to_string())));
        }
        upgrades.push((kind, flag(enabled, true)));
    }
    Ok((!upgrades.is_empty()).then(|| names.upgrades.one(upgrades)))
}

/// The protocol of an upgrade, in lower case.
pub(crate) fn upgrade(at: &At<'_>, kind: &str) -> Result<Arc<str>, Invalid> {
    let at = at.field("upgrade_type");
    // RFC 9110 7.8: a name, and perhaps a version after a slash, as Kubernetes' `SPDY/3.1`.
    let (name, version) = kind.split_once('/').map_or((kind, None), |(name, version)| (name, Some(version)));
    if !is_token(name) || version.is_some_and(|version| !is_token(version)) {
        return Err(at.refuse(Rule::Empty));
    }
    // Datagrams in capsules.
    if kind.eq_ignore_ascii_case("connect-udp") {
        return Err(at.unsupported(kind));
    }
    Ok(kind.to_ascii_lowercase().into())
}
