//! The address by which this machine is known to others. Knows no connections.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::LazyLock;

/// A documentation address (RFC 5737): it is only asked which way it would be reached, nothing is sent there.
const ELSEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 1), 9);

/// What the kernel says of its own addresses.
const TABLE: &str = "/proc/net/fib_trie";

static OWN: LazyLock<Box<str>> = LazyLock::new(|| find().to_string().into());

/// The machine's own IPv4 address that is not a loopback one, as text; `127.0.0.1` where there is none. What a proxy says of
/// itself to others: a loopback address would mean another machine to whoever reads it.
pub fn local_address() -> &'static str {
    &OWN
}

fn find() -> Ipv4Addr {
    by_route().or_else(|| by_table(&std::fs::read_to_string(TABLE).ok()?)).unwrap_or(Ipv4Addr::LOCALHOST)
}

fn usable(ip: Ipv4Addr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified()
}

/// The source address of the default route.
fn by_route() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(v4) if usable(*v4.ip()) => Some(*v4.ip()),
        _ => None,
    }
}

/// The first address that is the machine's own: a line with the address, and behind it one that says `host LOCAL`.
fn by_table(table: &str) -> Option<Ipv4Addr> {
    let mut last = None;
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<IpAddr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(IpAddr::V4(ip)) = last
            && usable(ip)
        {
            return Some(ip);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_names_the_first_address_that_is_not_loopback() {
        let table = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 10.0.0.0/24 2 0 2
           |-- 10.0.0.0
              /24 link UNICAST
           |-- 10.0.0.7
              /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
";
        assert_eq!(by_table(table), Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(by_table(""), None);
        assert_eq!(by_table(table.split_once("     +-- 10").unwrap().0), None);
    }

    #[test]
    fn there_is_always_one() {
        assert!(local_address().parse::<Ipv4Addr>().is_ok());
    }
}
