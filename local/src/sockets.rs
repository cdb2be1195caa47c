//! Who listens and who is connected, read from `/proc`. On platforms without it every question is answered "unknown".
//! Knows nothing of replicas.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// One TCP socket of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    local: SocketAddr,
    state: u8,
    inode: u64,
}

/// The sockets on which the processes of a group listen. `None`: this platform does not say.
pub(crate) fn listened_by(group: i32) -> Option<Vec<SocketAddr>> {
    let sockets = all()?;
    let mut inodes: HashMap<u64, SocketAddr> =
        sockets.iter().filter(|s| s.state == LISTEN).map(|s| (s.inode, s.local)).collect();
    let mut found = Vec::new();
    for pid in members(group)? {
        let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for fd in fds.flatten() {
            let inode = fs::read_link(fd.path())
                .ok()
                .and_then(|to| to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok());
            found.extend(inode.and_then(|inode| inodes.remove(&inode)));
        }
    }
    found.sort_unstable();
    Some(found)
}

/// The processes of a group that are alive (zombies are not). `None`: this platform does not say.
pub(crate) fn members(group: i32) -> Option<Vec<i32>> {
    let processes = fs::read_dir("/proc").ok()?;
    let mut any = false;
    let found = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .inspect(|_| any = true)
        .filter(|pid| {
            // `pid (comm) state ppid pgrp …`; comm may hold blanks and brackets, so count from the last bracket.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
            let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
            let state = fields.next();
            !matches!(state, Some("Z" | "X")) && fields.nth(1).and_then(|f| f.parse().ok()) == Some(group)
        })
        .collect();
    any.then_some(found)
}

/// Counts established connections by the port they were accepted on. One reading serves everyone who asks within
/// a short time, so that a thousand draining replicas do not read the kernel's table a thousand times.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Option<Reading>>);

#[derive(Debug)]
struct Reading {
    at: Instant,
    /// How long the table took to read.
    cost: Duration,
    /// `None`: the platform does not say.
    by_port: Option<HashMap<u16, u32>>,
}

impl Connections {
    /// Established connections whose local port is `port`, seen after `since`. `None`: this platform does not say.
    pub(crate) async fn established(&self, port: u16, since: Instant) -> Option<u32> {
        // Held while reading: who comes meanwhile finds the answer when it is their turn.
        let mut latest = self.0.lock().await;
        let now = Instant::now();
        let fresh =
            latest.as_ref().is_some_and(|r| r.at >= since && now - r.at < SHARED_FOR.max(r.cost * 10));
        if !fresh {
            let by_port = spawn_blocking(|| {
                let mut counts = HashMap::new();
                for s in all()?.iter().filter(|s| s.state == ESTABLISHED) {
                    *counts.entry(s.local.port()).or_default() += 1;
                }
                Some(counts)
            });
            let by_port = by_port.await.ok().flatten();
            *latest = Some(Reading { at: now, cost: now.elapsed(), by_port });
        }
        latest.as_ref()?.by_port.as_ref().map(|counts| counts.get(&port).copied().unwrap_or(0))
    }
}

fn all() -> Option<Vec<Socket>> {
    let mut sockets = parse(&fs::read_to_string("/proc/net/tcp").ok()?);
    // A kernel without IPv6 has no tcp6; that is no reason to know nothing.
    sockets.extend(parse(&fs::read_to_string("/proc/net/tcp6").unwrap_or_default()));
    Some(sockets)
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`, addresses as native-endian words in hex.
fn parse(table: &str) -> Vec<Socket> {
    let row = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (address, port) = fields.nth(1)?.split_once(':')?;
        let state = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
        let inode = fields.nth(5)?.parse().ok()?;
        let word =
            |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
        let ip: IpAddr = match address.len() {
            8 => Ipv4Addr::from(word(0)?).into(),
            _ => Ipv6Addr::from(
                <[u8; 16]>::try_from([word(0)?, word(1)?, word(2)?, word(3)?].as_flattened()).ok()?,
            )
            .into(),
        };
        Some(Socket { local: SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?), state, inode })
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// Kernel's include/net/tcp_states.h.
const ESTABLISHED: u8 = 0x01;
const LISTEN: u8 = 0x0a;
/// A drain looks this often at most.
const SHARED_FOR: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
           0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0\n\
           1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 777 1\n\
           garbage\n";
        assert_eq!(
            parse(table),
            [
                Socket { local: "127.0.0.1:8080".parse().unwrap(), state: LISTEN, inode: 12345 },
                Socket { local: "[::1]:80".parse().unwrap(), state: ESTABLISHED, inode: 777 },
            ]
        );
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn sees_own_sockets() {
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(members(group).unwrap().contains(&(std::process::id() as i32)));
        assert!(listened_by(group).unwrap().contains(&address));
        let connections = Connections::default();
        assert_eq!(connections.established(address.port(), Instant::now()).await, Some(0));
        let client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(connections.established(address.port(), Instant::now()).await, Some(1));
        drop(client);
    }
}
