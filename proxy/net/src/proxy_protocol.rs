//! The PROXY protocol's header, both versions: where a connection came from before the balancer in front. Pure; reads what
//! it needs and steps over the rest.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The beginning of a header: ask again with more bytes.
    More,
    /// No header of either version.
    Absent,
    /// It begins as a header and goes on as none.
    Invalid(Version),
    /// A header.
    Header(Header),
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which of the two formats.
    pub version: Version,
    /// How many bytes it has.
    pub length: usize,
    /// What it says.
    pub origin: Origin,
}

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary, with a signature.
    V2,
}

/// Where a connection came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this client, to this address of the balancer.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// From the balancer itself (LOCAL: a health check).
    Local,
    /// From somewhere that has no address we could use (UNKNOWN, UNSPEC, a Unix socket): the connection's own count.
    Unknown,
}

/// The longest line of version 1, with its end (the specification, 2.1).
const MOST_V1: usize = 107;
const BEGIN_V1: &[u8] = b"PROXY ";
/// The signature of version 2 (the specification, 2.2).
const BEGIN_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// 4 KiB of addresses and extensions behind the fixed part: balancers send a few hundred bytes, a client certificate at most.
const MOST_V2: usize = 4096;

/// Looks at the bytes a client has sent so far.
pub fn look(bytes: &[u8]) -> Look {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(BEGIN_V2) {
        if bytes.len() < BEGIN_V2.len() { Look::More } else { version2(bytes) }
    } else if begins(BEGIN_V1) {
        if bytes.len() < BEGIN_V1.len() { Look::More } else { version1(bytes) }
    } else {
        Look::Absent
    }
}

fn version1(bytes: &[u8]) -> Look {
    let bad = Look::Invalid(Version::V1);
    let window = bytes.get(..bytes.len().min(MOST_V1)).unwrap_or_default();
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        return if window.len() < MOST_V1 { Look::More } else { bad };
    };
    let line = window.get(..end).and_then(|line| line.strip_suffix(b"\r")).map(std::str::from_utf8);
    let Some(Ok(line)) = line else { return bad };
    let header = |origin| Look::Header(Header { version: Version::V1, length: end + 1, origin });
    let mut words = line.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return header(Origin::Unknown);
    }
    let fields = [words.next(), words.next(), words.next(), words.next(), words.next()];
    let [Some(source), Some(destination), Some(from), Some(to), None] = fields else { return bad };
    let ips = match family {
        Some("TCP4") => source.parse().ok().map(IpAddr::V4).zip(destination.parse().ok().map(IpAddr::V4)),
        Some("TCP6") => source.parse().ok().map(IpAddr::V6).zip(destination.parse().ok().map(IpAddr::V6)),
        _ => None,
    };
    match (ips, port(from), port(to)) {
        (Some((source, destination)), Some(from), Some(to)) => header(Origin::Proxied {
            source: SocketAddr::new(source, from),
            destination: SocketAddr::new(destination, to),
        }),
        _ => bad,
    }
}

/// Digits only: `parse` alone would let a sign through.
fn port(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn version2(bytes: &[u8]) -> Look {
    let bad = Look::Invalid(Version::V2);
    let Some((_, rest)) = bytes.split_first_chunk::<12>() else { return Look::More };
    if rest.first().is_some_and(|byte| byte >> 4 != 2 || byte & 0xf > 1) {
        return bad;
    }
    let Some((&[command, family, high, low], rest)) = rest.split_first_chunk::<4>() else {
        return Look::More;
    };
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > MOST_V2 {
        return bad;
    }
    let Some(rest) = rest.get(..size) else { return Look::More };
    let origin = match (command & 0xf, family) {
        (0, _) => Some(Origin::Local),
        // TCP over IPv4 and IPv6; datagrams cannot have come over this connection.
        (_, 0x11) => rest.first_chunk::<12>().map(|c| {
            let [a, b, c, d, e, f, g, h, ports @ ..] = *c;
            proxied(Ipv4Addr::new(a, b, c, d).into(), Ipv4Addr::new(e, f, g, h).into(), ports)
        }),
        (_, 0x21) => rest.first_chunk::<36>().and_then(|chunk| {
            let (source, rest) = chunk.split_first_chunk::<16>()?;
            let (destination, ports) = rest.split_first_chunk::<16>()?;
            let (source, destination) = (Ipv6Addr::from(*source), Ipv6Addr::from(*destination));
            Some(proxied(source.into(), destination.into(), *ports.first_chunk()?))
        }),
        (_, 0x00 | 0x31 | 0x32) => Some(Origin::Unknown),
        _ => None,
    };
    origin.map_or(bad, |origin| Look::Header(Header { version: Version::V2, length: 16 + size, origin }))
}

fn proxied(source: IpAddr, destination: IpAddr, [a, b, c, d]: [u8; 4]) -> Origin {
    Origin::Proxied {
        source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    }
}

#[cfg(test)]
mod tests;
