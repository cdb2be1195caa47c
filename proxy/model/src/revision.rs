//! Knative's facts about a cluster, which Envoy has no field for: they travel as cluster metadata under
//! `forebay.revision`. Knows nothing of protobuf, nor of how a revision is scaled.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// What makes a cluster a revision: its names, and its [`RevisionBounds`], which it dereferences to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The revision's namespace.
    pub namespace: Arc<str>,
    /// The revision's name.
    pub name: Arc<str>,
    /// The Service it belongs to; empty if none.
    pub service: Arc<str>,
    /// The Configuration it belongs to; empty if none.
    pub configuration: Arc<str>,
    /// One for the thousands of revisions that are told the same.
    pub bounds: Arc<RevisionBounds>,
}

impl Deref for Revision {
    type Target = RevisionBounds;

    #[inline]
    fn deref(&self) -> &RevisionBounds {
        &self.bounds
    }
}

/// What bounds a revision's requests, and who is told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionBounds {
    /// Requests one endpoint may have at once; 0 is no limit.
    pub concurrency: u32,
    /// Requests that may wait.
    pub max_waiting: u32,
    /// Bytes that waiting requests may hold together.
    pub max_waiting_bytes: u64,
    /// How long one request may wait.
    pub wait_timeout: Duration,
    /// How long a request may take altogether; zero is no limit.
    pub timeout: Duration,
    /// How long until the response has to start; zero is no limit.
    pub response_start_timeout: Duration,
    /// How long may pass without a byte either way; zero is no limit.
    pub idle_timeout: Duration,
    /// Where its load is reported: the URL of a stat server.
    pub report: Option<Arc<str>>,
}
