//! The time between "no new requests" and SIGTERM. Knows nothing of who sends requests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::pod::Pod;
use super::{Phase, Replica, reached};
use crate::event::Event;

impl Replica {
    /// Returns when nobody needs the process any more, or its time is up, or it has ended by itself.
    pub(super) async fn drain(&self, address: SocketAddr, pod: &mut Pod) {
        let (done, unchosen) = oneshot::channel();
        let (key, replica) = (self.key().clone(), self.number);
        self.emit(Event::Draining { key, replica, address, done });
        let quiet = async {
            // An answer or none: who drops the sender says the same.
            let _ = unchosen.await;
            self.disconnected(address.port()).await;
        };
        tokio::select! {
            biased;
            _ = pod.wait() => {}
            () = quiet => {}
            () = self.out_of_time() => {}
        }
    }

    /// Waits until no connection to `port` is left.
    async fn disconnected(&self, port: u16) {
        let mut pace = FIRST_PACE;
        let mut seen_none = false;
        let since = Instant::now();
        loop {
            match self.shared.connections.established(port, since).await {
                // Twice: a proxy that had just chosen it may be about to connect.
                Some(0) if seen_none => return,
                Some(0) => seen_none = true,
                Some(_) => {
                    seen_none = false;
                    pace = (pace * 3 / 2).min(LONGEST_PACE);
                }
                None => return sleep(BLIND).await,
            }
            sleep(pace).await;
        }
    }

    /// No request takes longer than its revision's `timeoutSeconds`; nobody waits longer than the platform's limit.
    async fn out_of_time(&self) {
        let options = &self.shared.options;
        let longest = Duration::from_secs(self.revision().spec.timeout_seconds.into());
        let mut phase = self.phase.clone();
        let hurried = async {
            reached(&mut phase, Phase::Quick).await;
            sleep(options.shutdown_drain_limit).await;
        };
        tokio::select! {
            () = sleep(longest.min(options.drain_limit)) => {}
            () = hurried => {}
        }
    }
}

/// Between looks at the connections, from first to last.
const FIRST_PACE: Duration = Duration::from_millis(6);
const LONGEST_PACE: Duration = Duration::from_millis(100);
/// Where connections cannot be seen, requests get this long.
const BLIND: Duration = Duration::from_millis(500);
