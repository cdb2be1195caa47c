//! Ready replicas to a ClusterLoadAssignment. A revision at zero has one that is empty, which says that it exists.

use std::net::SocketAddr;

use forebay_knative::RevisionKey;
use forebay_proto::envoy::config::core::v3::HealthStatus;
use forebay_proto::envoy::config::endpoint::v3 as pb;

use super::cluster_name;
use super::wrap::address;

/// A replica that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Where.
    pub address: SocketAddr,
    /// It finishes what it has and gets nothing new.
    pub draining: bool,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint { address, draining: false }
    }
}

/// The assignment of a revision, endpoints in the order given.
pub fn assignment(key: &RevisionKey, endpoints: &[Endpoint]) -> pb::ClusterLoadAssignment {
    let lb_endpoints: Vec<_> = endpoints.iter().map(lb_endpoint).collect();
    let localities = match lb_endpoints.is_empty() {
        true => Vec::new(),
        false => vec![pb::LocalityLbEndpoints { lb_endpoints, ..Default::default() }],
    };
    pb::ClusterLoadAssignment { cluster_name: cluster_name(key), endpoints: localities, ..Default::default() }
}

fn lb_endpoint(endpoint: &Endpoint) -> pb::LbEndpoint {
    let inner = pb::Endpoint { address: address(endpoint.address), ..Default::default() };
    let status = if endpoint.draining { HealthStatus::Draining } else { HealthStatus::Unknown };
    pb::LbEndpoint {
        health_status: status as i32,
        host_identifier: Some(pb::lb_endpoint::HostIdentifier::Endpoint(inner)),
        ..Default::default()
    }
}
