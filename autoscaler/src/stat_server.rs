//! The websocket server that hears load reports, as Knative's autoscaler does: any path, binary frames of
//! `WireStatMessages`, a 200 for the kubelet's probes. Knows nothing of revisions; what it hears goes into a channel.
//!
//! Knative's bucket hosts (several autoscalers that share the revisions) have no meaning here: every host is answered.

mod connection;
mod handshake;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_report::metrics::WireStatMessages;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Reporters at a time: one a gateway, some probes. More wait in the listener's backlog.
const CONNECTIONS: usize = 256;
/// How long a shutdown waits for reporters to say goodbye; Knative's number.
const GOODBYE: Duration = Duration::from_secs(5);
/// A pause after a failed accept: out of file descriptors is not cured by trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener, not yet served.
#[derive(Debug)]
pub struct StatServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// Ends [`StatServer::serve`] when dropped.
#[derive(Debug)]
pub struct Stop(#[expect(dead_code, reason = "alive is all it has to be")] watch::Sender<()>);

/// The other end of a [`Stop`].
#[derive(Debug, Clone)]
pub struct Stopped(watch::Receiver<()>);

/// A way to end a server.
pub fn stop() -> (Stop, Stopped) {
    let (stop, stopped) = watch::channel(());
    (Stop(stop), Stopped(stopped))
}

impl Stopped {
    /// Resolves when the [`Stop`] is gone.
    async fn wait(&mut self) {
        // Nothing is ever sent, so an answer is always the end.
        while self.0.changed().await.is_ok() {}
    }
}

impl StatServer {
    /// Binds; port 0 picks a free one. Needs a tokio runtime.
    ///
    /// # Errors
    /// Those of binding.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener: TcpListener::from_std(listener)?, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until stopped, then closes every websocket with 1012 and waits for them, five seconds at most. A full
    /// channel makes reporters wait.
    pub async fn serve(self, frames: mpsc::Sender<WireStatMessages>, mut stopped: Stopped) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped.wait() => break,
                Some(_) = open.join_next(), if !open.is_empty() => {}
                accepted = self.listener.accept(), if open.len() < CONNECTIONS => match accepted {
                    Ok((stream, peer)) => {
                        let (frames, stopped) = (frames.clone(), stopped.clone());
                        open.spawn(connection::serve(stream, peer, frames, stopped));
                    }
                    Err(e) => {
                        tracing::warn!("stat server on {}: cannot accept: {e}", self.address);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        let all = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(GOODBYE, all).await.is_err() {
            tracing::warn!("stat server on {}: reporters did not close in time", self.address);
        }
    }
}
