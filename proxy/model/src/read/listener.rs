//! `listener.v3.Listener`: addresses, what is looked at first, and the chains behind.

mod chain;
mod filters;

use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::config::listener::v3 as pb;

use super::address::socket;
use super::at::At;
use super::fields::fields;
use super::http_manager::Routes;
use super::invalid::{Invalid, Rule};
use super::scalar::off;
use crate::chain_match::Chains;
use crate::listener::{Address, FilterChain, Listener};
use crate::names::Names;

/// A listener as read, with what it needs before it can serve.
pub(crate) struct Read {
    pub(crate) listener: Listener,
    /// Where the routes of its chains come from, with what the plain type has no use for; each source once.
    pub(crate) routes: Vec<Routes>,
}

/// Reads a listener.
pub(crate) fn listener(message: &pb::Listener, names: &mut Names) -> Result<Read, Invalid> {
    let at = At::ROOT;
    fields!(at, message => pb::Listener {
        read: [
            name, address, additional_addresses, filter_chains, default_filter_chain, listener_filters, use_original_dst,
            transparent, freebind, bind_to_port, listener_filters_timeout, continue_on_listener_filters_timeout,
            traffic_direction, drain_type,
        ],
        harmless: [
            // Names for counters, and notes.
            stat_prefix, stats_matcher, metadata,
            // How the kernel and the event loop are used is ours to choose.
            per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout, connection_balance_config,
            reuse_port, enable_reuse_port, tcp_backlog_size, max_connections_to_accept_per_socket_event,
            tcp_fast_open_queue_length, tcp_keepalive, enable_mptcp, bypass_overload_manager, ignore_global_conn_limit,
            // In the days of version 1 it said `bind_to_port`.
            deprecated_v1,
        ],
        refused: [
            fcds_config, filter_chain_matcher, socket_options, udp_listener_config, api_listener, access_log,
            listener_specifier,
        ],
    });
    if name.is_empty() {
        return Err(at.field("name").refuse(Rule::Empty));
    }
    off(at.field("use_original_dst"), use_original_dst)?;
    off(at.field("transparent"), transparent)?;
    off(at.field("freebind"), freebind)?;
    if bind_to_port.as_ref().is_some_and(|bind| !bind.value) {
        return Err(at.field("bind_to_port").unsupported(false));
    }
    let mut addresses = vec![place(&at.field("address"), address)?];
    let list = at.field("additional_addresses");
    for (index, more) in additional_addresses.iter().enumerate() {
        let at = list.index(index);
        fields!(at, more => pb::AdditionalAddress {
            read: [address],
            harmless: [tcp_keepalive],
            refused: [socket_options],
        });
        addresses.push(place(&at.field("address"), address)?);
    }
    let mut shared = chain::Shared::default();
    let mut chains = Vec::new();
    let list = at.field("filter_chains");
    for (index, message) in filter_chains.iter().enumerate() {
        let chain = chain::filter_chain(&list.index(index), message, true, &mut shared, names)?;
        chains.push((index, Arc::new(chain)));
    }
    let default_chain = match default_filter_chain {
        Some(message) => {
            let at = at.field("default_filter_chain");
            Some(Arc::new(chain::filter_chain(&at, message, false, &mut shared, names)?))
        }
        None => None,
    };
    if chains.is_empty() && default_chain.is_none() {
        return Err(list.refuse(Rule::Empty));
    }
    let (chains, choice) = choice(&list, chains)?;
    let timeout = (listener_filters_timeout, *continue_on_listener_filters_timeout);
    let all = || chains.iter().chain(&default_chain).map(|chain| &**chain);
    let filters = filters::filters(&at, listener_filters, timeout, all)?;
    let name = name.as_str().into();
    let inbound = *traffic_direction == core::TrafficDirection::Inbound as i32;
    let drains_when_failing = *drain_type != pb::listener::DrainType::ModifyOnly as i32;
    let listener =
        Listener { name, addresses, filters, chains, default_chain, choice, inbound, drains_when_failing };
    Ok(Read { listener, routes: shared.routes })
}

fn place(at: &At<'_>, address: &Option<core::Address>) -> Result<Address, Invalid> {
    use core::address::Address::SocketAddress;
    let number = socket(at, address, true)?;
    let compat = |a: &core::Address| matches!(&a.address, Some(SocketAddress(socket)) if socket.ipv4_compat);
    Ok(Address { socket: number, dual_stack: address.as_ref().is_some_and(compat) })
}

/// The chains in an order of their own, since net-kourier's comes out of a hash table anew each time, and the choice between
/// them.
fn choice(
    at: &At<'_>,
    mut chains: Vec<(usize, Arc<FilterChain>)>,
) -> Result<(Vec<Arc<FilterChain>>, Chains), Invalid> {
    chains.sort_by(|(_, a), (_, b)| a.matches.cmp(&b.matches));
    let mut choice = Chains::default();
    for (place, (index, chain)) in chains.iter().enumerate() {
        if let Err(overlap) = choice.add(place, &chain.matches) {
            let first = &chains[overlap.first];
            let (early, late) = (first.0.min(*index), first.0.max(*index));
            let name = |wanted: usize| {
                let name = chains.iter().find(|(index, _)| *index == wanted).map(|(_, chain)| &chain.name);
                name.map(ToString::to_string).unwrap_or_default()
            };
            let rule = Rule::OverlappingChains { first: early, name: name(early) };
            return Err(at.index(late).field("filter_chain_match").refuse(rule));
        }
    }
    Ok((chains.into_iter().map(|(_, chain)| chain).collect(), choice))
}
