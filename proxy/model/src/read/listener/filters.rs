//! Listener filters: what is looked at before a chain is chosen.

use std::time::Duration;

use forebay_proto::envoy::config::core::v3::proxy_protocol_config::Version;
use forebay_proto::envoy::config::listener::v3 as pb;
use forebay_proto::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use forebay_proto::envoy::extensions::filters::listener::proxy_protocol::v3 as proxy;
use forebay_proto::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use forebay_proto::google::protobuf;

use crate::listener::{FilterChain, ListenerFilters, ProxyProtocol};
use crate::read::any::{is, unknown, unpack};
use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::invalid::Invalid;
use crate::read::scalar::{choice, duration, flag};

/// Envoy's default for all listener filters together.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Reads the list. `timeout` is how long they may take, and whether the connection goes on after that.
pub(super) fn filters<'c, C: Iterator<Item = &'c FilterChain>>(
    at: &At<'_>,
    list: &[pb::ListenerFilter],
    timeout: (&Option<protobuf::Duration>, bool),
    chains: impl Fn() -> C,
) -> Result<ListenerFilters, Invalid> {
    // The ClientHello is looked at if a chain needs it, whether or not anybody named the inspector: Envoy without it never
    // finds such a chain, which nobody can mean.
    let asks = |chain: &FilterChain| {
        let matches = &chain.matches;
        chain.tls.is_some()
            || !matches.server_names.is_empty()
            || !matches.application_protocols.is_empty()
            || matches.transport_protocol.as_deref() == Some("tls")
    };
    // As in Envoy, nobody is told whom a client asks for unless the inspector is named, or a chain is chosen by it.
    let names = |chain: &FilterChain| {
        let matches = &chain.matches;
        match matches.transport_protocol.as_deref() {
            None => !matches.server_names.is_empty() || !matches.application_protocols.is_empty(),
            Some(protocol) => protocol == "tls",
        }
    };
    let mut filters = ListenerFilters {
        proxy_protocol: None,
        inspect_tls: chains().any(asks),
        tells_server_name: chains().any(names),
        timeout: duration(at.field("listener_filters_timeout"), timeout.0)?.unwrap_or(TIMEOUT),
        continue_on_timeout: timeout.1,
    };
    let field = at.field("listener_filters");
    let mut inspected = false;
    for (index, filter) in list.iter().enumerate() {
        let at = field.index(index);
        fields!(at, filter => pb::ListenerFilter {
            read: [config_type],
            harmless: [name],
            refused: [filter_disabled],
        });
        let any = match config_type {
            Some(pb::listener_filter::ConfigType::TypedConfig(any)) => any,
            Some(pb::listener_filter::ConfigType::ConfigDiscovery(source)) => {
                return Err(at.field("config_discovery").unsupported(source));
            }
            None => return Err(at.missing("typed_config")),
        };
        let at = at.field("typed_config");
        if is::<TlsInspector>(any) {
            inspector(&at, &unpack(&at, any)?)?;
            inspected = true;
            filters.tells_server_name = true;
        } else if is::<HttpInspector>(any) {
            // What it finds only chains without TLS could ask for, by protocol.
            let asks = |chain: &FilterChain| {
                chain.matches.application_protocols.iter().any(|p| p.starts_with("http/1.") || **p == *"h2c")
            };
            if !filters.inspect_tls && chains().any(asks) {
                return Err(at.unsupported(format_args!("a chain chosen by what it would find")));
            }
        } else if is::<proxy::ProxyProtocol>(any) {
            if inspected {
                return Err(at.unsupported(format_args!("the PROXY protocol behind the TLS inspector")));
            }
            filters.proxy_protocol = Some(proxy_protocol(&at, &unpack(&at, any)?)?);
        } else {
            return Err(unknown(&at, any));
        }
    }
    Ok(filters)
}

fn inspector(at: &At<'_>, message: &TlsInspector) -> Result<(), Invalid> {
    fields!(at, message => TlsInspector {
        read: [enable_ja3_fingerprinting, enable_ja4_fingerprinting],
        harmless: [
            // How much is read at a time and at most is ours to choose.
            initial_read_buffer_size, max_client_hello_size,
        ],
        refused: [close_connection_on_client_hello_parsing_errors],
    });
    // A fingerprint is only good for those who look at it, and there is no way to.
    for (name, wanted) in [
        ("enable_ja3_fingerprinting", enable_ja3_fingerprinting),
        ("enable_ja4_fingerprinting", enable_ja4_fingerprinting),
    ] {
        if flag(wanted, false) {
            return Err(at.field(name).unsupported(true));
        }
    }
    Ok(())
}

fn proxy_protocol(at: &At<'_>, message: &proxy::ProxyProtocol) -> Result<ProxyProtocol, Invalid> {
    fields!(at, message => proxy::ProxyProtocol {
        read: [allow_requests_without_proxy_protocol, disallowed_versions, stat_prefix],
        harmless: [
            // Where extensions of the header would go, for filters that there are not.
            pass_through_tlvs, tlv_location,
        ],
        refused: [rules],
    });
    let mut read = ProxyProtocol {
        optional: *allow_requests_without_proxy_protocol,
        v1: true,
        v2: true,
        stat_prefix: stat_prefix.as_str().into(),
    };
    let list = at.field("disallowed_versions");
    for (index, version) in disallowed_versions.iter().enumerate() {
        match choice(list.index(index), *version)? {
            Version::V1 => read.v1 = false,
            Version::V2 => read.v2 = false,
        }
    }
    Ok(read)
}
