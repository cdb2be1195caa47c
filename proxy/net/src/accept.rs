//! Takes connections from one listening socket, whatever happens: no error ends it. Knows no protocol.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::limits::{Limit, Slot};
use crate::listener;

/// A connection, fresh from the kernel. It counts against the limit until `slot` is dropped.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, with TCP_NODELAY.
    pub stream: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
    /// The connection's place under the limit.
    pub slot: Slot,
}

/// A connection that could not be had. Already logged (rarely) and, where that helps, waited for.
#[derive(Debug)]
pub enum Refused {
    /// One too many: it was closed at once.
    Limit {
        /// The other end.
        peer: SocketAddr,
    },
    /// The system has no more files or memory to give; the oldest in the queue was closed, if that was possible.
    Exhausted(io::Error),
    /// The client was gone before we looked, or something else of no consequence.
    Gone(io::Error),
}

/// One worker's end of a listener.
pub struct Acceptor {
    socket: TcpListener,
    local: SocketAddr,
    limit: Limit,
    /// Held so that, with no file left, one connection can be taken and closed: else the kernel would report it again
    /// and again, and the client would wait for nothing.
    spare: Option<File>,
    told: Option<Instant>,
}

/// With no file left, nothing changes until a connection ends: this often is soon enough.
const PAUSE: Duration = Duration::from_millis(50);
/// How often trouble is told at most.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl Acceptor {
    /// Takes over a non-blocking socket; call on the worker's runtime.
    pub fn new(socket: std::net::TcpListener, limit: Limit) -> io::Result<Self> {
        let local = socket.local_addr()?;
        Ok(Self { socket: TcpListener::from_std(socket)?, local, limit, spare: spare(), told: None })
    }

    /// The address it listens on.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. Errors are told for counting only: just call again. Cancel-safe.
    pub async fn accept(&mut self) -> Result<Accepted, Refused> {
        match self.socket.accept().await {
            Ok((stream, peer)) => self.admit(stream, peer),
            Err(error) if exhausted(&error) => {
                self.shed();
                self.tell(&error);
                sleep(PAUSE).await;
                Err(Refused::Exhausted(error))
            }
            Err(error) => Err(Refused::Gone(error)),
        }
    }

    /// What is in the kernel's queue right now, without waiting. For the end: closing the socket would reset these
    /// clients, which believe they are connected.
    pub fn leftover(&mut self) -> Vec<Result<Accepted, Refused>> {
        let mut found = Vec::new();
        while let Ok((stream, peer)) = self.queued() {
            found.push(match TcpStream::from_std(stream) {
                Ok(stream) => self.admit(stream, peer),
                Err(error) => Err(Refused::Gone(error)),
            });
        }
        found
    }

    /// Asks the kernel itself: what the runtime knows of the socket is as old as its last look.
    fn queued(&self) -> io::Result<(std::net::TcpStream, SocketAddr)> {
        let (stream, peer) = SockRef::from(&self.socket).accept()?;
        stream.set_nonblocking(true)?;
        let peer = peer.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok((stream.into(), peer))
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) -> Result<Accepted, Refused> {
        let Some(slot) = self.limit.take() else {
            if self.may_tell() {
                warn!(listener = %self.local, limit = self.limit.most(), "too many connections; new ones are closed");
            }
            return Err(Refused::Limit { peer });
        };
        if !listener::inherits() {
            listener::tune(&SockRef::from(&stream)).map_err(Refused::Gone)?;
        }
        Ok(Accepted { stream, peer, slot })
    }

    /// Gives the spare file away for one connection and closes that.
    fn shed(&mut self) {
        drop(self.spare.take());
        drop(self.queued());
        self.spare = spare();
    }

    fn tell(&mut self, error: &io::Error) {
        if self.may_tell() {
            warn!(
                listener = %self.local, %error, open = self.limit.open(),
                "cannot accept connections for now; raise the limit of open files or lower the limit of connections"
            );
        }
    }

    fn may_tell(&mut self) -> bool {
        let due = self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if due {
            self.told = Some(Instant::now());
        }
        due
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: they do not go away by trying again.
fn exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}

#[cfg(test)]
mod tests;
