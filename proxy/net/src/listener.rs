//! Listening sockets, one per worker, on one address. Knows nothing of what is accepted.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use thiserror::Error;

/// How sockets are opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections the kernel queues per socket before a worker takes them; it cuts this to `net.core.somaxconn`.
    pub backlog: i32,
    /// For `[::]`: whether IPv4 clients are served as well (Envoy's `ipv4_compat`).
    pub dual_stack: bool,
    /// Whether another process of the same user may listen on the address too. Off: taken is taken.
    pub share: bool,
}

impl Default for Options {
    fn default() -> Self {
        // 4096 is what Linux allows since 5.4 without a change; a burst of `hey -c 1000` fits four times.
        Self { backlog: 4096, dual_stack: true, share: false }
    }
}

/// Sockets that listen on one address.
#[derive(Debug)]
pub struct Bound {
    /// The address; the port is never 0.
    pub address: SocketAddr,
    /// One per worker, non-blocking. The kernel spreads connections over them, except where `SO_REUSEPORT` does not do
    /// that: there all are the same socket.
    pub sockets: Vec<TcpListener>,
}

impl Bound {
    /// Opens `workers` sockets (at least one). With port 0 the first socket picks a port and the others join it. All or
    /// nothing: on an error none stays open.
    pub fn bind(address: SocketAddr, workers: usize, options: Options) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let first = open(address, options).map_err(failed)?;
        first.bind(&address.into()).map_err(failed)?;
        if spreads() {
            // After bind: a port that someone listens on must be refused even if they would share it, or two gateways
            // started by mistake would each get half of the connections. Later sockets only ask who shares now.
            first.set_reuse_port(true).map_err(failed)?;
        }
        let actual = first.local_addr().map_err(failed)?.as_socket().ok_or_else(|| {
            failed(io::Error::new(io::ErrorKind::Unsupported, "the socket has no IP address"))
        })?;
        let mut sockets = vec![first];
        while sockets.len() < workers {
            sockets.push(if spreads() {
                let next = open(actual, options).map_err(failed)?;
                next.set_reuse_port(true).map_err(failed)?;
                next.bind(&actual.into()).map_err(failed)?;
                next
            } else {
                sockets[0].try_clone().map_err(failed)?
            });
        }
        // Only now: no connection is queued on a socket that a later failure would close again.
        for socket in &sockets {
            socket.listen(options.backlog).map_err(failed)?;
        }
        Ok(Self { address: actual, sockets: sockets.into_iter().map(TcpListener::from).collect() })
    }
}

/// Nobody can listen there.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {}", self.reason())]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

impl BindError {
    fn reason(&self) -> String {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                format!(
                    "port {} is in use; stop the program that has it (`ss -ltnp` names it), or choose another port (0 picks a free one)",
                    self.address.port()
                )
            }
            io::ErrorKind::PermissionDenied => {
                format!("port {} needs privileges; choose one from 1024 up", self.address.port())
            }
            io::ErrorKind::AddrNotAvailable => format!("{} is no address of this machine", self.address.ip()),
            _ => self.source.to_string(),
        }
    }
}

/// Whether sockets with `SO_REUSEPORT` share the connections of a port. Elsewhere the last one bound gets all.
const fn spreads() -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
}

fn open(address: SocketAddr, options: Options) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a restart would wait for connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if options.share && spreads() {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!(options.dual_stack && address.ip().is_unspecified()))?;
    }
    socket.set_nonblocking(true)?;
    tune(&SockRef::from(&socket))?;
    Ok(socket)
}

/// Socket options of connections. On Linux accepted sockets inherit them from the listener, which saves two system calls
/// a connection.
pub(crate) fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // A peer that vanished without a word is noticed after about four minutes, whatever is or is not being sent.
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(120)).with_interval(Duration::from_secs(30));
    socket.set_tcp_keepalive(&keepalive)
}

/// Whether accepted sockets have the listener's options.
pub(crate) const fn inherits() -> bool {
    cfg!(any(target_os = "linux", target_os = "android"))
}

#[cfg(test)]
mod tests;
