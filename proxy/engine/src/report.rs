//! What workers tell the gateway of a revision's load. Knows no websocket.

use std::sync::Arc;

use forebay_model::Revision;

/// One message from a worker.
#[derive(Debug, Clone)]
pub enum Report {
    /// A request waits for a revision that has nobody free, and more wait than when this was last said.
    Waiting {
        /// Whose.
        revision: Arc<Revision>,
        /// Requests of all workers that run or wait now.
        concurrency: u32,
    },
    /// What happened since the last one.
    Load {
        /// Whose.
        revision: Arc<Revision>,
        /// Requests in flight and waiting, integrated over time: request-seconds.
        request_seconds: f64,
        /// Requests that arrived.
        arrivals: u64,
    },
}
