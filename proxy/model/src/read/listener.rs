//! `listener.v3.Listener`: addresses and the one plain filter chain behind them.

use std::sync::Arc;

use forebay_proto::envoy::config::listener::v3 as pb;
use forebay_proto::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

use super::address::socket;
use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::http_manager::{Routes, http_manager};
use super::invalid::{Invalid, Rule};
use super::scalar::off;
use super::transport::plain;
use crate::http_manager::HttpManager;
use crate::listener::Listener;
use crate::names::Names;

/// A listener as read, with what it needs before it can serve.
pub(crate) struct Read {
    pub(crate) listener: Listener,
    /// Where the routes come from, with what the plain type has no use for.
    pub(crate) routes: Routes,
}

/// Reads a listener.
pub(crate) fn listener(message: &pb::Listener, names: &mut Names) -> Result<Read, Invalid> {
    let at = At::ROOT;
    fields!(at, message => pb::Listener {
        read: [
            name, address, additional_addresses, filter_chains, default_filter_chain, listener_filters, use_original_dst,
            transparent, freebind, bind_to_port,
        ],
        harmless: [
            // Names for counters, and notes.
            stat_prefix, stats_matcher, metadata, traffic_direction,
            // How the kernel and the event loop are used is ours to choose.
            per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout, connection_balance_config,
            reuse_port, enable_reuse_port, tcp_backlog_size, max_connections_to_accept_per_socket_event,
            tcp_fast_open_queue_length, tcp_keepalive, enable_mptcp, bypass_overload_manager, ignore_global_conn_limit,
            // Nothing here drains on what these would change.
            drain_type, deprecated_v1,
            // There is no listener filter that could wait.
            listener_filters_timeout, continue_on_listener_filters_timeout,
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
    let mut addresses = vec![socket(&at.field("address"), address, true)?];
    let list = at.field("additional_addresses");
    for (index, more) in additional_addresses.iter().enumerate() {
        let at = list.index(index);
        fields!(at, more => pb::AdditionalAddress {
            read: [address],
            harmless: [tcp_keepalive],
            refused: [socket_options],
        });
        addresses.push(socket(&at.field("address"), address, true)?);
    }
    let list = at.field("listener_filters");
    for (index, filter) in listener_filters.iter().enumerate() {
        listener_filter(&list.index(index), filter)?;
    }
    let (http, routes) = chain(&at, filter_chains, default_filter_chain, names)?;
    let listener = Listener { name: name.as_str().into(), addresses, http: Arc::new(http) };
    Ok(Read { listener, routes })
}

/// The TLS inspector only looks, and without TLS chains nobody asks what it saw.
fn listener_filter(at: &At<'_>, filter: &pb::ListenerFilter) -> Result<(), Invalid> {
    fields!(at, filter => pb::ListenerFilter {
        read: [config_type],
        harmless: [name],
        refused: [filter_disabled],
    });
    match config_type {
        Some(pb::listener_filter::ConfigType::TypedConfig(any)) if is::<TlsInspector>(any) => Ok(()),
        Some(pb::listener_filter::ConfigType::TypedConfig(any)) => {
            Err(unknown(&at.field("typed_config"), any))
        }
        Some(pb::listener_filter::ConfigType::ConfigDiscovery(source)) => {
            Err(at.field("config_discovery").unsupported(source))
        }
        None => Err(at.missing("typed_config")),
    }
}

/// The one chain there may be: either the only one of the list, or the default one.
fn chain(
    at: &At<'_>,
    chains: &[pb::FilterChain],
    default: &Option<pb::FilterChain>,
    names: &mut Names,
) -> Result<(HttpManager, Routes), Invalid> {
    let list = at.field("filter_chains");
    match (chains, default) {
        ([], None) => Err(list.refuse(Rule::Empty)),
        ([], Some(only)) => filter_chain(&at.field("default_filter_chain"), only, names),
        ([only], None) => filter_chain(&list.index(0), only, names),
        ([_], Some(_)) => Err(at.field("default_filter_chain").unsupported(format_args!("a second chain"))),
        ([_, ..], _) => Err(list.index(1).unsupported(format_args!("a second chain"))),
    }
}

fn filter_chain(
    at: &At<'_>,
    chain: &pb::FilterChain,
    names: &mut Names,
) -> Result<(HttpManager, Routes), Invalid> {
    fields!(at, chain => pb::FilterChain {
        read: [filter_chain_match, filters, use_proxy_proto, transport_socket],
        harmless: [name, metadata, transport_socket_connect_timeout],
        refused: [],
    });
    off(at.field("use_proxy_proto"), use_proxy_proto)?;
    plain(&at.field("transport_socket"), transport_socket)?;
    if let Some(condition) = filter_chain_match
        && *condition != pb::FilterChainMatch::default()
    {
        return Err(at.field("filter_chain_match").unsupported(condition));
    }
    let list = at.field("filters");
    let filter = match filters.as_slice() {
        [] => return Err(list.refuse(Rule::Empty)),
        [only] => only,
        [_, second, ..] => return Err(list.index(1).unsupported(&second.name)),
    };
    let at = list.index(0);
    match &filter.config_type {
        Some(pb::filter::ConfigType::TypedConfig(any)) => {
            let at = at.field("typed_config");
            http_manager(&at, &unpack::<HttpConnectionManager>(&at, any)?, names)
        }
        Some(pb::filter::ConfigType::ConfigDiscovery(source)) => {
            Err(at.field("config_discovery").unsupported(source))
        }
        None => Err(at.missing("typed_config")),
    }
}
