//! What is held and how it stands, for `/config_dump`. Knows nothing of how it is shown.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

/// One resource.
#[derive(Debug, Clone)]
pub struct Dumped {
    /// Its type.
    pub type_url: &'static str,
    /// Its name.
    pub name: Arc<str>,
    /// The version of `bytes`; empty if there is none.
    pub version: Box<str>,
    /// The last resource that was accepted, as it came; shared with the model. Empty if there never was one.
    pub bytes: Bytes,
    /// When those bytes were accepted, or the failure happened.
    pub since: Instant,
    /// Whether it is of the bootstrap file: no stream can replace it.
    pub fixed: bool,
    /// How it stands.
    pub state: State,
}

/// How a resource stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// In force.
    Acked,
    /// The last version was refused; `bytes` are what is still in force.
    Nacked {
        /// The refused version.
        version: Box<str>,
        /// Why.
        message: String,
        /// The refused resource as it came.
        bytes: Bytes,
        /// When it came.
        since: Instant,
    },
    /// Waiting for this before it is in force; what it replaces still is.
    Warming(String),
}
