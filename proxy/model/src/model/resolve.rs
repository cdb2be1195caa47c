//! Clusters whose endpoints are names: what a resolver is asked, and what its answers do. Resolves nothing itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_balance::Endpoints;

use super::clusters::Entry;
use super::effects::Effects;
use super::{Model, key};
use crate::cluster::{Discovery, Dns, DnsHost};
use crate::read::Member;
use crate::update::Applied;

/// A resolver that never answers is waited for as long as Envoy waits for anything that it has to fetch.
pub(super) const RESOLVE: Duration = Duration::from_secs(15);

impl Model {
    /// A resolver's answer for a cluster of names, each address with what it is called; empty if there is none.
    pub fn resolved(&mut self, cluster: &str, addresses: &[(SocketAddr, Arc<str>)], now: Instant) -> Applied {
        let mut fx = Effects::new(now);
        if let Some(entry) = self.clusters.entries.get(cluster) {
            let addresses = match entry.latest().map(|config| &config.discovery) {
                Some(Discovery::StrictDns(_)) => addresses,
                Some(Discovery::LogicalDns(_)) => addresses.get(..1).unwrap_or_default(),
                _ => return self.finish(fx),
            };
            let members: Vec<Member> =
                addresses.iter().map(|(address, name)| member(*address, Some(name.clone()))).collect();
            let name = key(cluster);
            match entry.waits() {
                true => self.activate_cluster(&name, &members, &mut fx),
                false => self.seat_members(&name, &members, &mut fx),
            }
        }
        self.finish(fx)
    }
}

pub(super) fn members_of(endpoints: &Endpoints) -> Box<[Member]> {
    endpoints.list().iter().map(|endpoint| member(endpoint.address, endpoint.hostname.clone())).collect()
}

fn member(address: SocketAddr, hostname: Option<Arc<str>>) -> Member {
    Member { address, hostname, weight: 1, draining: false }
}

pub(super) fn is_dns(discovery: &Discovery) -> bool {
    matches!(discovery, Discovery::StrictDns(_) | Discovery::LogicalDns(_))
}

/// What a resolver would say of hosts that are all numbers.
pub(super) fn numeric(dns: &Dns) -> Option<Box<[Member]>> {
    let member = |host: &DnsHost| {
        let ip = host.host.parse().ok()?;
        Some(self::member(SocketAddr::new(ip, host.port), Some(host.name.clone())))
    };
    dns.hosts.iter().map(member).collect()
}

fn job(discovery: &Discovery) -> Option<&Dns> {
    match discovery {
        Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => {
            Some(&**dns).filter(|dns| numeric(dns).is_none())
        }
        Discovery::Static | Discovery::Eds { .. } => None,
    }
}

pub(super) fn has_job(entry: &Entry) -> bool {
    entry.latest().map(|config| &config.discovery).and_then(job).is_some()
}

/// What a resolver has to be told when a cluster becomes this.
pub(super) fn dns_change(entry: &Entry, next: &Discovery) -> Option<Option<Dns>> {
    let before = entry.latest().map(|config| &config.discovery).and_then(job);
    let after = job(next);
    (before != after).then(|| after.cloned())
}
