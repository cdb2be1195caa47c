//! A listener as the data plane obeys it. Knows nothing of protobuf or sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::http_manager::HttpManager;

/// Addresses to accept on, and what to do with what arrives there.
#[derive(Clone, PartialEq)]
pub struct Listener {
    /// The resource's name.
    pub name: Arc<str>,
    /// Where to listen; port 0 asks for any.
    pub addresses: Vec<SocketAddr>,
    /// What every connection speaks.
    pub http: Arc<HttpManager>,
}

impl Listener {
    /// How its connections are treated, each way once.
    pub fn managers(&self) -> impl Iterator<Item = &Arc<HttpManager>> {
        std::iter::once(&self.http)
    }
}
