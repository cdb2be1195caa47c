//! `core.v3.Address`: TCP sockets, by number or (for DNS clusters) by name. Resolves nothing.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as core;

use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::number;

/// A place to connect to: text that may be an IP address, and a port.
pub(crate) struct HostPort {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// What it is called; the host unless somebody says otherwise.
    pub(crate) name: Arc<str>,
}

/// An address that has to be numbers already. Port 0 is refused unless `ephemeral`: a listener may ask for any port.
pub(crate) fn socket(
    at: &At<'_>,
    address: &Option<core::Address>,
    ephemeral: bool,
) -> Result<SocketAddr, Invalid> {
    let (host, port) = parts(at, address, ephemeral)?;
    let ip: IpAddr = host.parse().map_err(|_| {
        at.field("socket_address").field("address").refuse(Rule::NotAnAddress(host.to_owned()))
    })?;
    Ok(SocketAddr::new(ip, port))
}

/// An address that may be a name.
pub(crate) fn host_port(at: &At<'_>, address: &Option<core::Address>) -> Result<HostPort, Invalid> {
    let (host, port) = parts(at, address, false)?;
    let host: Arc<str> = host.into();
    Ok(HostPort { name: host.clone(), host, port })
}

/// A range of addresses.
pub(crate) fn cidr(at: &At<'_>, range: &core::CidrRange) -> Result<(IpAddr, u8), Invalid> {
    let ip: IpAddr = range
        .address_prefix
        .parse()
        .map_err(|_| at.field("address_prefix").refuse(Rule::NotAnAddress(range.address_prefix.clone())))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = number(at.field("prefix_len"), &range.prefix_len, 0..=most)?.unwrap_or(0);
    Ok((ip, u8::try_from(bits).unwrap_or(u8::MAX)))
}

fn parts<'p>(
    at: &At<'_>,
    address: &'p Option<core::Address>,
    ephemeral: bool,
) -> Result<(&'p str, u16), Invalid> {
    use core::address::Address;
    let socket = match address.as_ref().and_then(|a| a.address.as_ref()) {
        Some(Address::SocketAddress(socket)) => socket,
        Some(Address::Pipe(pipe)) => return Err(at.field("pipe").unsupported(&pipe.path)),
        Some(Address::EnvoyInternalAddress(internal)) => {
            return Err(at.field("envoy_internal_address").unsupported(internal));
        }
        None => return Err(at.missing("socket_address")),
    };
    let at = at.field("socket_address");
    fields!(at, socket => core::SocketAddress {
        read: [protocol, address, port_specifier],
        // An IPv4 peer of a socket that is bound to `::` is IPv4 to us, mapped or not.
        harmless: [ipv4_compat],
        refused: [resolver_name, network_namespace_filepath],
    });
    if *protocol != core::socket_address::Protocol::Tcp as i32 {
        return Err(at.field("protocol").unsupported(format_args!("UDP")));
    }
    if address.is_empty() {
        return Err(at.field("address").refuse(Rule::Empty));
    }
    let port = match port_specifier {
        Some(core::socket_address::PortSpecifier::PortValue(port)) => *port,
        Some(core::socket_address::PortSpecifier::NamedPort(name)) => {
            return Err(at.field("named_port").unsupported(name));
        }
        None => 0,
    };
    match u16::try_from(port) {
        Ok(number) if number != 0 || ephemeral => Ok((address, number)),
        _ => Err(at.field("port_value").refuse(Rule::NotAPort(port))),
    }
}
