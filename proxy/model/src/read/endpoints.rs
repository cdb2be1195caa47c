//! `endpoint.v3.ClusterLoadAssignment`: who serves a cluster.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use forebay_proto::envoy::config::core::v3::{Address, HealthStatus};
use forebay_proto::envoy::config::endpoint::v3 as pb;

use super::address::{HostPort, host_port, socket};
use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::{choice, number};
use super::tiers::{OVERPROVISIONING, Tier, shares};

/// Who serves a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The name that clusters ask for.
    pub(crate) cluster_name: Arc<str>,
    /// In the order they came, without repetitions.
    pub(crate) members: Box<[Member]>,
}

/// One endpoint that may be used, now or only for what it already does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    /// What it calls itself, for routes that call it so as well.
    pub(crate) hostname: Option<Arc<str>>,
    /// Its share among its neighbours, at least 1.
    pub(crate) weight: u32,
    /// Finishes what it has and gets nothing new.
    pub(crate) draining: bool,
}

/// Reads an assignment whose addresses are numbers.
pub(crate) fn assignment(at: &At<'_>, message: &pb::ClusterLoadAssignment) -> Result<Assignment, Invalid> {
    let mut tiers: BTreeMap<u32, Tier> = BTreeMap::new();
    let mut seen = HashSet::new();
    walk(at, message, |at, found| {
        let Found { status, weight, priority, address, hostname } = found;
        let address = socket(&at.field("address"), address, false)?;
        if !seen.insert(address) {
            return Ok(());
        }
        let hostname = (!hostname.is_empty()).then(|| hostname.into());
        let member = Member { address, hostname, weight, draining: status == HealthStatus::Draining };
        let tier = tiers.entry(priority).or_default();
        tier.total += 1;
        match status {
            HealthStatus::Unknown | HealthStatus::Healthy => tier.healthy.push(member),
            HealthStatus::Draining => tier.draining.push(member),
            HealthStatus::Degraded => tier.degraded.push(member),
            HealthStatus::Unhealthy | HealthStatus::Timeout => {}
        }
        Ok(())
    })?;
    let policy = message.policy.as_ref();
    let factor = number(
        at.field("policy").field("overprovisioning_factor"),
        &policy.and_then(|policy| policy.overprovisioning_factor),
        1..=u32::MAX,
    )?;
    let members = shares(tiers.into_values().collect(), factor.unwrap_or(OVERPROVISIONING));
    Ok(Assignment { cluster_name: message.cluster_name.as_str().into(), members: members.into() })
}

/// Reads an assignment whose addresses are names to be resolved.
pub(crate) fn hosts(at: &At<'_>, message: &pb::ClusterLoadAssignment) -> Result<Vec<HostPort>, Invalid> {
    let mut hosts = Vec::new();
    walk(at, message, |at, found| {
        if found.priority > 0 {
            return Err(at.unsupported(format_args!("priority {} of a name", found.priority)));
        }
        let mut host = host_port(&at.field("address"), found.address)?;
        if !found.hostname.is_empty() {
            host.name = found.hostname.into();
        }
        hosts.push(host);
        Ok(())
    })?;
    Ok(hosts)
}

/// One endpoint of an assignment.
struct Found<'p> {
    status: HealthStatus,
    weight: u32,
    /// 0 is the best.
    priority: u32,
    address: &'p Option<Address>,
    hostname: &'p str,
}

/// Calls `each` for every endpoint, with the place where it stands.
fn walk(
    at: &At<'_>,
    message: &pb::ClusterLoadAssignment,
    mut each: impl FnMut(&At<'_>, Found<'_>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    fields!(at, message => pb::ClusterLoadAssignment {
        read: [endpoints, policy],
        harmless: [cluster_name],
        refused: [named_endpoints],
    });
    if let Some(policy) = policy {
        let at = at.field("policy");
        fields!(at, policy => pb::cluster_load_assignment::Policy {
            read: [overprovisioning_factor],
            harmless: [],
            refused: [drop_overloads, endpoint_stale_after, weighted_priority_health],
        });
        // Read where the load is shared.
        let _ = overprovisioning_factor;
    }
    let list = at.field("endpoints");
    for (index, locality) in endpoints.iter().enumerate() {
        let at = list.index(index);
        fields!(at, locality => pb::LocalityLbEndpoints {
            read: [lb_endpoints, priority],
            // Localities are told apart only by policies that are refused where a cluster asks for them.
            harmless: [locality, metadata, load_balancing_weight, proximity],
            refused: [lb_config],
        });
        let list = at.field("lb_endpoints");
        for (index, endpoint) in lb_endpoints.iter().enumerate() {
            lb_endpoint(&list.index(index), endpoint, *priority, &mut each)?;
        }
    }
    Ok(())
}

fn lb_endpoint(
    at: &At<'_>,
    endpoint: &pb::LbEndpoint,
    priority: u32,
    each: &mut impl FnMut(&At<'_>, Found<'_>) -> Result<(), Invalid>,
) -> Result<(), Invalid> {
    fields!(at, endpoint => pb::LbEndpoint {
        read: [health_status, load_balancing_weight, host_identifier],
        harmless: [metadata],
        refused: [],
    });
    let weight = number(at.field("load_balancing_weight"), load_balancing_weight, 1..=u32::MAX)?.unwrap_or(1);
    let status = choice(at.field("health_status"), *health_status)?;
    match host_identifier {
        Some(pb::lb_endpoint::HostIdentifier::Endpoint(endpoint)) => {
            let at = at.field("endpoint");
            fields!(at, endpoint => pb::Endpoint {
                read: [address, hostname],
                // Health checks are refused where a cluster asks for them; the other name is for counters.
                harmless: [health_check_config, observability_name],
                refused: [additional_addresses],
            });
            each(&at, Found { status, weight, priority, address, hostname })
        }
        Some(pb::lb_endpoint::HostIdentifier::EndpointName(name)) => {
            Err(at.field("endpoint_name").unsupported(name))
        }
        None => Err(at.field("endpoint").refuse(Rule::Missing)),
    }
}
