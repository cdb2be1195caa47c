//! `listener.v3.FilterChain`: which connections it is for, TLS, and the connection manager behind.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::listener::v3 as pb;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

use crate::chain_match::{ChainMatch, Prefix, SourceType};
use crate::http_manager::HttpManager;
use crate::listener::FilterChain;
use crate::names::Names;
use crate::read::any::unpack;
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::http_manager::{Routes, http_manager};
use crate::read::invalid::{Invalid, Rule};
use crate::read::scalar::{choice, duration, number, off};
use crate::read::transport;

/// What the chains of one listener have in common.
#[derive(Default)]
pub(super) struct Shared {
    managers: Vec<Arc<HttpManager>>,
    /// Each source once.
    pub(super) routes: Vec<Routes>,
}

/// Reads a chain. The default one is for whatever is left: what it says about that does not count.
pub(super) fn filter_chain(
    at: &At<'_>,
    message: &pb::FilterChain,
    matched: bool,
    shared: &mut Shared,
    names: &mut Names,
) -> Result<FilterChain, Invalid> {
    fields!(at, message => pb::FilterChain {
        read: [
            name, filter_chain_match, filters, use_proxy_proto, transport_socket, transport_socket_connect_timeout,
        ],
        harmless: [metadata],
        refused: [],
    });
    off(at.field("use_proxy_proto"), use_proxy_proto)?;
    let matches = match filter_chain_match {
        Some(condition) if matched => chain_match(&at.field("filter_chain_match"), condition)?,
        _ => ChainMatch::default(),
    };
    let tls = transport::server(&at.field("transport_socket"), transport_socket, names)?;
    let timeout = duration(at.field("transport_socket_connect_timeout"), transport_socket_connect_timeout)?;
    let list = at.field("filters");
    let filter = match filters.as_slice() {
        [] => return Err(list.refuse(Rule::Empty)),
        [only] => only,
        [_, second, ..] => return Err(list.index(1).unsupported(&second.name)),
    };
    let at = list.index(0);
    let any = match &filter.config_type {
        Some(pb::filter::ConfigType::TypedConfig(any)) => any,
        Some(pb::filter::ConfigType::ConfigDiscovery(source)) => {
            return Err(at.field("config_discovery").unsupported(source));
        }
        None => return Err(at.missing("typed_config")),
    };
    let at = at.field("typed_config");
    let (http, routes) = http_manager(&at, &unpack::<HttpConnectionManager>(&at, any)?, names)?;
    Ok(FilterChain {
        name: name.as_str().into(),
        matches,
        tls,
        handshake_timeout: timeout.unwrap_or(Duration::ZERO),
        http: shared.join(http, routes),
    })
}

impl Shared {
    fn join(&mut self, http: HttpManager, routes: Routes) -> Arc<HttpManager> {
        if let Routes::Rds { name, wait } = &routes {
            let known = self.routes.iter_mut().find_map(|known| match known {
                Routes::Rds { name: known, wait } if known == name => Some(wait),
                _ => None,
            });
            match known {
                // The more patient of two; `None` is for ever.
                Some(known) => *known = known.zip(*wait).map(|(a, b)| a.max(b)),
                None => self.routes.push(routes),
            }
        } else {
            self.routes.push(routes);
        }
        if let Some(known) = self.managers.iter().find(|known| ***known == http) {
            return known.clone();
        }
        let http = Arc::new(http);
        self.managers.push(http.clone());
        http
    }
}

fn chain_match(at: &At<'_>, message: &pb::FilterChainMatch) -> Result<ChainMatch, Invalid> {
    use pb::filter_chain_match::ConnectionSourceType;
    fields!(at, message => pb::FilterChainMatch {
        read: [
            destination_port, prefix_ranges, direct_source_prefix_ranges, source_type, source_prefix_ranges,
            source_ports, server_names, transport_protocol, application_protocols,
        ],
        harmless: [],
        refused: [address_suffix, suffix_len],
    });
    let port = number(at.field("destination_port"), destination_port, 1..=65535)?;
    let mut ports = Vec::new();
    let list = at.field("source_ports");
    for (index, port) in source_ports.iter().enumerate() {
        let wrong = || list.index(index).refuse(Rule::NotAPort(*port));
        ports.push(u16::try_from(*port).ok().filter(|port| *port != 0).ok_or_else(wrong)?);
    }
    let mut names = Vec::new();
    let list = at.field("server_names");
    for (index, name) in server_names.iter().enumerate() {
        if name.strip_prefix("*.").unwrap_or(name).contains('*') || name.is_empty() {
            return Err(list.index(index).refuse(Rule::BadServerName(name.clone())));
        }
        names.push(name.to_ascii_lowercase().into());
    }
    let kind = match choice(at.field("source_type"), *source_type)? {
        ConnectionSourceType::Any => SourceType::Any,
        ConnectionSourceType::SameIpOrLoopback => SourceType::Local,
        ConnectionSourceType::External => SourceType::External,
    };
    Ok(ChainMatch {
        destination_port: port.and_then(|port| u16::try_from(port).ok()),
        destination_prefixes: prefixes(&at.field("prefix_ranges"), prefix_ranges)?,
        server_names: sorted(names),
        transport_protocol: Some(transport_protocol).filter(|t| !t.is_empty()).map(|t| t.as_str().into()),
        application_protocols: sorted(application_protocols.iter().map(|p| p.as_str().into()).collect()),
        direct_source_prefixes: prefixes(
            &at.field("direct_source_prefix_ranges"),
            direct_source_prefix_ranges,
        )?,
        source_type: kind,
        source_prefixes: prefixes(&at.field("source_prefix_ranges"), source_prefix_ranges)?,
        source_ports: sorted(ports),
    })
}

fn prefixes(at: &At<'_>, list: &[core::CidrRange]) -> Result<Vec<Prefix>, Invalid> {
    let mut all = Vec::new();
    for (index, range) in list.iter().enumerate() {
        let at = at.index(index);
        let ip: IpAddr = range.address_prefix.parse().map_err(|_| {
            at.field("address_prefix").refuse(Rule::NotAnAddress(range.address_prefix.clone()))
        })?;
        let bits = range.prefix_len.as_ref().map_or(0, |bits| bits.value);
        let most = if ip.is_ipv4() { 32 } else { 128 };
        all.push(Prefix::new(ip, bits).ok_or_else(|| {
            at.field("prefix_len").refuse(Rule::OutOfRange { value: bits.into(), min: 0, max: most })
        })?);
    }
    Ok(sorted(all))
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}
