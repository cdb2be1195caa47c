//! `cluster.v3.Cluster`: static, EDS and DNS clusters.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::cluster::v3 as pb;
use forebay_proto::envoy::config::core::v3 as core;

use super::any::{is, unknown};
use super::at::At;
use super::cluster_protocol::{Options, protocol};
use super::config_source::{Wanted, config_source};
use super::endpoints::{Assignment, assignment, hosts};
use super::fields::fields;
use super::http_options::requests_per_connection;
use super::invalid::{Invalid, Rule};
use super::revision::revision;
use super::scalar::{choice, duration, number};
use super::transport;
use crate::cluster::{
    Balance, ClusterConfig, ClusterSettings, Discovery, Dns, DnsFamily, DnsHost, Limits, RetryBudget,
};
use crate::names::Names;

/// Envoy's default for one connection attempt.
const CONNECT: Duration = Duration::from_secs(5);
/// Envoy's default for how long a DNS answer is used.
const DNS_REFRESH: Duration = Duration::from_secs(5);

/// A cluster as read, with what it needs before it can serve.
pub(crate) struct Read {
    pub(crate) config: ClusterConfig,
    /// Its endpoints, if it says them itself.
    pub(crate) assignment: Option<Assignment>,
    /// How long to wait for EDS; `None` is for ever. Meaningless for other clusters.
    pub(crate) wait: Option<Duration>,
}

/// Reads a cluster.
pub(crate) fn cluster(message: &pb::Cluster, names: &mut Names) -> Result<Read, Invalid> {
    let at = At::ROOT;
    fields!(at, message => pb::Cluster {
        read: [
            name, eds_cluster_config, connect_timeout, lb_policy, load_assignment, max_requests_per_connection,
            circuit_breakers, common_http_protocol_options, http_protocol_options, http2_protocol_options,
            typed_extension_protocol_options, dns_refresh_rate, respect_dns_ttl, dns_lookup_family, common_lb_config,
            transport_socket, metadata, protocol_selection, load_balancing_policy, cluster_discovery_type,
            upstream_http_protocol_options, dns_jitter, dns_failure_refresh_rate,
        ],
        harmless: [
            // Counters and load reports.
            alt_stat_name, stats_matcher, track_timeout_budgets, track_cluster_stats, lrs_server,
            lrs_report_endpoint_metrics,
            // When to look up, connect, buffer and clean up is ours to choose.
            wait_for_warm_on_init, cleanup_interval, preconnect_policy,
            per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout, upstream_connection_options,
            // They need health checks, which are refused.
            close_connections_on_host_health_failure, ignore_health_on_host_removal,
            // Tuning of policies; the policy itself is read.
            lb_config,
        ],
        refused: [
            transport_socket_matches, transport_socket_matcher, health_checks, outlier_detection, dns_resolvers,
            use_tcp_for_dns_lookups, dns_resolution_config, typed_dns_resolver_config, upstream_bind_config,
            lb_subset_config, filters, upstream_config, connection_pool_per_downstream_connection, queuing_policies,
        ],
    });
    if name.is_empty() {
        return Err(at.field("name").refuse(Rule::Empty));
    }
    let tls = transport::client(&at.field("transport_socket"), transport_socket, names)?;
    if let Some(common) = common_lb_config {
        locality(&at.field("common_lb_config"), common)?;
    }
    let name: Arc<str> = names.text(name);
    let found = discovery(&at, message, &name)?;
    let options = protocol(
        &at,
        Options {
            extensions: typed_extension_protocol_options,
            common: common_http_protocol_options,
            upstream: upstream_http_protocol_options,
            http1: http_protocol_options,
            http2: http2_protocol_options,
            selection: *protocol_selection,
        },
    )?;
    let per_connection = requests_per_connection(&at, max_requests_per_connection)?;
    // Read by `discovery`, from the message.
    let _ = (
        eds_cluster_config,
        load_assignment,
        dns_refresh_rate,
        respect_dns_ttl,
        dns_jitter,
        dns_failure_refresh_rate,
        dns_lookup_family,
        cluster_discovery_type,
    );
    let breakers = at.field("circuit_breakers");
    let settings = ClusterSettings {
        connect_timeout: duration(at.field("connect_timeout"), connect_timeout)?.unwrap_or(CONNECT),
        protocol: options.protocol,
        idle_timeout: options.idle_timeout,
        max_connection_duration: options.max_connection_duration,
        max_requests_per_connection: options.max_requests_per_connection.or(per_connection),
        max_stream_duration: options.max_stream_duration,
        header_case: options.header_case,
        limits: limits(&breakers, circuit_breakers, core::RoutingPriority::Default)?,
        high_limits: limits(&breakers, circuit_breakers, core::RoutingPriority::High)?,
        balance: balance(&at, *lb_policy, load_balancing_policy)?,
        // Without TLS there is nobody to be named to.
        auto_names: options.auto_names.filter(|_| tls.is_some()),
        tls,
    };
    let config = ClusterConfig {
        revision: revision(&at.field("metadata"), metadata, names)?,
        discovery: found.discovery,
        settings: names.cluster_settings.one(settings),
        name,
    };
    Ok(Read { config, assignment: found.assignment, wait: found.wait })
}

fn locality(at: &At<'_>, common: &pb::cluster::CommonLbConfig) -> Result<(), Invalid> {
    use pb::cluster::common_lb_config::LocalityConfigSpecifier::{
        LocalityWeightedLbConfig, ZoneAwareLbConfig,
    };
    fields!(at, common => pb::cluster::CommonLbConfig {
        read: [locality_config_specifier],
        harmless: [
            // An unhealthy endpoint is never used here, however many there are.
            healthy_panic_threshold, ignore_new_hosts_until_first_hc, override_host_status,
            update_merge_window, consistent_hashing_lb_config,
        ],
        refused: [close_connections_on_host_set_change],
    });
    match locality_config_specifier {
        // Zones are compared with the proxy's own cluster, which nobody can name here.
        None | Some(ZoneAwareLbConfig(_)) => Ok(()),
        Some(LocalityWeightedLbConfig(config)) => {
            Err(at.field("locality_weighted_lb_config").unsupported(config))
        }
    }
}

struct Found {
    discovery: Discovery,
    assignment: Option<Assignment>,
    wait: Option<Duration>,
}

fn discovery(at: &At<'_>, message: &pb::Cluster, name: &Arc<str>) -> Result<Found, Invalid> {
    use pb::cluster::ClusterDiscoveryType::{ClusterType, Type};
    use pb::cluster::DiscoveryType::{Eds, LogicalDns, OriginalDst, Static, StrictDns};
    let kind = match &message.cluster_discovery_type {
        None => Static,
        Some(Type(value)) => choice(at.field("type"), *value)?,
        Some(ClusterType(custom)) => {
            let at = at.field("cluster_type");
            return Err(custom
                .typed_config
                .as_ref()
                .map_or_else(|| at.unsupported(&custom.name), |any| unknown(&at, any)));
        }
    };
    let inline = at.field("load_assignment");
    let none = Default::default();
    let load = message.load_assignment.as_ref().unwrap_or(&none);
    match kind {
        Static => {
            let assignment = assignment(&inline, load)?;
            Ok(Found { discovery: Discovery::Static, assignment: Some(assignment), wait: None })
        }
        Eds => eds(at, message, name),
        StrictDns => {
            let dns = dns(at, message, hosts(&inline, load)?)?;
            Ok(Found { discovery: Discovery::StrictDns(dns.into()), assignment: None, wait: None })
        }
        LogicalDns => {
            let hosts = hosts(&inline, load)?;
            if let Some(count) = (hosts.len() != 1).then_some(hosts.len()) {
                return Err(
                    inline.unsupported(format_args!("LOGICAL_DNS with {count} endpoints instead of 1"))
                );
            }
            Ok(Found {
                discovery: Discovery::LogicalDns(dns(at, message, hosts)?.into()),
                assignment: None,
                wait: None,
            })
        }
        OriginalDst => Err(at.field("type").unsupported(format_args!("ORIGINAL_DST"))),
    }
}

fn eds(at: &At<'_>, message: &pb::Cluster, name: &Arc<str>) -> Result<Found, Invalid> {
    let Some(config) = &message.eds_cluster_config else { return Err(at.missing("eds_cluster_config")) };
    if let Some(load) = &message.load_assignment {
        return Err(at.field("load_assignment").unsupported(load));
    }
    let at = at.field("eds_cluster_config");
    let service_name = Some(config.service_name.as_str()).filter(|n| !n.is_empty() && **n != **name);
    let Wanted { key, wait } =
        config_source(&at.field("eds_config"), &config.eds_config, service_name.unwrap_or(name))?;
    // The cluster's own name is there already.
    let service_name = if *key == **name { name.clone() } else { key };
    Ok(Found { discovery: Discovery::Eds { service_name }, assignment: None, wait })
}

fn dns(at: &At<'_>, message: &pb::Cluster, hosts: Vec<super::address::HostPort>) -> Result<Dns, Invalid> {
    use pb::cluster::DnsLookupFamily;
    if message.respect_dns_ttl {
        // The system's resolver, which is asked, does not tell it.
        return Err(at.field("respect_dns_ttl").unsupported(true));
    }
    let refresh = duration(at.field("dns_refresh_rate"), &message.dns_refresh_rate)?.unwrap_or(DNS_REFRESH);
    Ok(Dns {
        hosts: hosts.into_iter().map(|h| DnsHost { host: h.host, port: h.port, name: h.name }).collect(),
        refresh,
        jitter: duration(at.field("dns_jitter"), &message.dns_jitter)?.unwrap_or_default(),
        on_failure: message
            .dns_failure_refresh_rate
            .as_ref()
            .map(|rate| on_failure(&at.field("dns_failure_refresh_rate"), rate))
            .transpose()?,
        family: match choice(at.field("dns_lookup_family"), message.dns_lookup_family)? {
            DnsLookupFamily::Auto => DnsFamily::Auto,
            DnsLookupFamily::V4Only => DnsFamily::V4Only,
            DnsLookupFamily::V6Only => DnsFamily::V6Only,
            DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
            DnsLookupFamily::All => DnsFamily::All,
        },
    })
}

/// Envoy's: the longest pause is ten of the first unless it is said.
fn on_failure(at: &At<'_>, rate: &pb::cluster::RefreshRate) -> Result<(Duration, Duration), Invalid> {
    fields!(at, rate => pb::cluster::RefreshRate {
        read: [base_interval, max_interval],
        harmless: [],
        refused: [],
    });
    let least = duration(at.field("base_interval"), base_interval)?.filter(|least| !least.is_zero());
    let least = least.ok_or_else(|| at.missing("base_interval"))?;
    let most = duration(at.field("max_interval"), max_interval)?.unwrap_or(least * 10);
    if most < least {
        return Err(at.field("max_interval").unsupported(format_args!("less than base_interval")));
    }
    Ok((least, most))
}

fn limits(
    at: &At<'_>,
    breakers: &Option<pb::CircuitBreakers>,
    of: core::RoutingPriority,
) -> Result<Limits, Invalid> {
    let mut limits = Limits::default();
    let Some(breakers) = breakers else { return Ok(limits) };
    let mut found = false;
    fields!(at, breakers => pb::CircuitBreakers {
        read: [thresholds],
        harmless: [],
        refused: [per_host_thresholds],
    });
    let list = at.field("thresholds");
    for (index, threshold) in thresholds.iter().enumerate() {
        let at = list.index(index);
        fields!(at, threshold => pb::circuit_breakers::Thresholds {
            read: [priority, max_connections, max_pending_requests, max_requests, max_retries, retry_budget],
            // Gauges of what is left.
            harmless: [track_remaining],
            refused: [max_connection_pools],
        });
        // The first of a priority counts.
        if *priority != of as i32 || found {
            continue;
        }
        found = true;
        let any = 0..=u32::MAX;
        let set = |limit: &mut u32, value| {
            number(at.field("max"), value, any.clone()).map(|n| *limit = n.unwrap_or(*limit))
        };
        set(&mut limits.max_connections, max_connections)?;
        set(&mut limits.max_pending_requests, max_pending_requests)?;
        set(&mut limits.max_requests, max_requests)?;
        set(&mut limits.max_retries, max_retries)?;
        limits.retry_budget =
            retry_budget.as_ref().map(|message| budget(&at.field("retry_budget"), message)).transpose()?;
    }
    Ok(limits)
}

fn budget(
    at: &At<'_>,
    message: &pb::circuit_breakers::thresholds::RetryBudget,
) -> Result<RetryBudget, Invalid> {
    fields!(at, message => pb::circuit_breakers::thresholds::RetryBudget {
        read: [budget_percent, min_retry_concurrency],
        harmless: [],
        refused: [budget_interval],
    });
    // Envoy's defaults: a fifth, and three.
    let percent = budget_percent.as_ref().map_or(20.0, |percent| percent.value);
    if !(0.0..=100.0).contains(&percent) {
        return Err(at.field("budget_percent").unsupported(percent));
    }
    let min = number(at.field("min_retry_concurrency"), min_retry_concurrency, 0..=u32::MAX)?;
    // Between 0 and 10,000, as checked.
    Ok(RetryBudget { percent_hundredths: (percent * 100.0) as u32, min_concurrency: min.unwrap_or(3) })
}

fn balance(
    at: &At<'_>,
    policy: i32,
    extension: &Option<pb::LoadBalancingPolicy>,
) -> Result<Balance, Invalid> {
    use forebay_proto::envoy::extensions::load_balancing_policies as policies;
    use pb::cluster::LbPolicy;
    // The extension wins over the enumeration wherever it is there. Its list is a list of alternatives.
    let Some(extension) = extension else {
        let at = at.field("lb_policy");
        return match choice(at, policy)? {
            LbPolicy::RoundRobin => Ok(Balance::RoundRobin),
            LbPolicy::LeastRequest => Ok(Balance::LeastRequest),
            LbPolicy::Random => Ok(Balance::Random),
            other => Err(at.unsupported(format_args!("{}", other.as_str_name()))),
        };
    };
    let at = at.field("load_balancing_policy");
    let configs =
        || extension.policies.iter().filter_map(|p| p.typed_extension_config.as_ref()?.typed_config.as_ref());
    for any in configs() {
        if is::<policies::least_request::v3::LeastRequest>(any) {
            return Ok(Balance::LeastRequest);
        } else if is::<policies::round_robin::v3::RoundRobin>(any) {
            return Ok(Balance::RoundRobin);
        } else if is::<policies::random::v3::Random>(any) {
            return Ok(Balance::Random);
        }
    }
    Err(configs().next().map_or_else(|| at.missing("policies"), |any| unknown(&at, any)))
}
