//! Ports on 127.0.0.1 for replicas. Knows nothing of who listens on them.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpSocket;

/// The ports this instance hands out.
#[derive(Debug)]
pub(crate) struct Ports {
    /// Where to look; none: wherever the kernel says.
    range: Option<RangeInclusive<u16>>,
    /// A lock, for starts on several threads; held for a few system calls, never on a request's path.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u16,
    taken: HashSet<u16>,
}

/// A port nobody else gets from the same [`Ports`] until this is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    owner: Arc<Ports>,
}

impl Ports {
    /// `seed` scatters the first port, so that two instances on one machine look at different places first.
    pub(crate) fn new(seed: u64) -> Self {
        Self::within(below_ephemeral(), seed)
    }

    fn within(range: Option<RangeInclusive<u16>>, seed: u64) -> Self {
        let next = range.as_ref().map_or(0, |r| r.start() + (seed % r.len() as u64) as u16);
        Self { range, state: Mutex::new(State { next, taken: HashSet::new() }) }
    }

    /// A port on which a program can listen now. Errors when none is left or sockets cannot be made.
    pub(crate) fn take(self: &Arc<Self>) -> io::Result<Port> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = self.range.as_ref().map_or(KERNEL_TRIES, RangeInclusive::len);
        for _ in 0..tries {
            let number = match &self.range {
                Some(range) => {
                    let number = state.next;
                    state.next = if number == *range.end() { *range.start() } else { number + 1 };
                    if state.taken.contains(&number) || !is_free(number)? {
                        continue;
                    }
                    number
                }
                None => chosen_by_kernel()?,
            };
            if state.taken.insert(number) {
                return Ok(Port { number, owner: self.clone() });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no port is free for another replica"))
    }
}

impl Port {
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Where the replica is reached.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.owner.state.lock().unwrap_or_else(PoisonError::into_inner).taken.remove(&self.number);
    }
}

/// Ports the kernel gives to outgoing connections are no good: under load one of the proxy's own connections could hold
/// the number between our choice and the program's `bind`. So: the range below the kernel's, when that leaves enough.
fn below_ephemeral() -> Option<RangeInclusive<u16>> {
    let first_ephemeral = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(IANA_EPHEMERAL);
    (first_ephemeral >= LOWEST + FEWEST).then(|| LOWEST..=first_ephemeral - 1)
}

/// Whether both 127.0.0.1 and the wildcard can be bound, without the leniency of SO_REUSEADDR: a program that does not
/// set it must be able to listen too. Nothing ever listens here, so no firewall asks.
fn is_free(number: u16) -> io::Result<bool> {
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        match TcpSocket::new_v4()?.bind(SocketAddr::from((address, number))) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
                return Ok(false);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

fn chosen_by_kernel() -> io::Result<u16> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(socket.local_addr()?.port())
}

/// Below are ports that people know by heart (3000, 5432, 8080, 9090, …).
const LOWEST: u16 = 10_000;
/// With fewer than this the kernel's own choice is better.
const FEWEST: u16 = 1_000;
/// Where ephemeral ports begin by IANA's book, and on macOS.
const IANA_EPHEMERAL: u16 = 49_152;
/// The kernel may offer a port we have given away and whose program does not listen yet.
const KERNEL_TRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_gives_a_port_twice_nor_one_in_use() {
        let range = 21_310..=21_329;
        let ports = Arc::new(Ports::within(Some(range.clone()), 5));
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let mut held = Vec::new();
        while let Ok(port) = ports.take() {
            assert!(range.contains(&port.number()));
            held.push(port);
        }
        let mut numbers: Vec<u16> = held.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), held.len());
        let freed = held.pop().unwrap().number();
        assert_eq!(ports.take().unwrap().number(), freed, "a port comes back when its holder is gone");
        assert!(!is_free(listener.local_addr().unwrap().port()).unwrap());
    }

    #[test]
    fn asks_the_kernel_where_no_range_is_safe() {
        let ports = Arc::new(Ports::within(None, 0));
        let (a, b) = (ports.take().unwrap(), ports.take().unwrap());
        assert_ne!(a.number(), b.number());
        assert_eq!(a.address().ip(), Ipv4Addr::LOCALHOST);
    }
}
