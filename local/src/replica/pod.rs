//! The processes of one replica: the app, and its queue-proxy where it has one. Knows nothing of readiness or drains.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use super::Turn;
use crate::failure::{Failure, ending};
use crate::ports::Port;
use crate::process::{Output, Process};

/// What runs.
pub(super) struct Pod {
    pub(super) app: Process,
    pub(super) sidecar: Option<Sidecar>,
}

/// A queue-proxy that was just started.
pub(super) struct Sidecar {
    pub(super) port: Port,
    pub(super) process: Process,
    /// Until somebody reads it.
    pub(super) output: Option<Output>,
}

impl Pod {
    /// Waits until one of them ends. Cancel-safe.
    pub(super) async fn wait(&mut self) -> Turn {
        let Some(sidecar) = &mut self.sidecar else { return Turn::Exited(self.app.wait().await) };
        tokio::select! {
            biased;
            status = self.app.wait() => Turn::Exited(status),
            status = sidecar.process.wait() => Turn::Failed(Failure::new("QueueProxyEnded", why(status))),
        }
    }

    /// SIGTERM to both at once, as in a pod whose queue-proxy has drained; SIGKILL to what is left after `grace`.
    pub(super) async fn stop(&mut self, grace: Duration) {
        let sidecar = async {
            if let Some(sidecar) = &mut self.sidecar {
                let _ = sidecar.process.stop(grace).await;
            }
        };
        let _ = tokio::join!(self.app.stop(grace), sidecar);
    }

    /// SIGKILL to both.
    pub(super) async fn kill(&mut self) {
        let _ = self.app.kill().await;
        if let Some(sidecar) = &mut self.sidecar {
            let _ = sidecar.process.kill().await;
        }
    }
}

fn why(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("its queue-proxy {}", ending(status)),
        Err(e) => format!("its queue-proxy was lost sight of: {e}"),
    }
}
