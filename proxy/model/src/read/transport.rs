//! `core.v3.TransportSocket`: plain, which may be named or left out, and TLS. Knows no listener and no cluster.

mod client;
mod common;
mod server;
mod validation;

use std::sync::{Arc, Weak};

use foldhash::HashMap;
use forebay_net::tls::{ClientTls, ServerTls};
use forebay_proto::Any;
use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as pb;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::fields::fields;
use super::invalid::Invalid;
use crate::names::Names;

/// TLS towards clients, or none.
pub(crate) fn server(
    at: &At<'_>,
    socket: &Option<core::TransportSocket>,
    names: &mut Names,
) -> Result<Option<Arc<ServerTls>>, Invalid> {
    let Some(any) = config(at, socket)? else { return Ok(None) };
    let at = at.field("typed_config");
    let message: pb::DownstreamTlsContext = unpack(&at, any)?;
    let (spec, digest) = server::downstream(&at, &message, names)?;
    if let Some(known) = names.tls.servers.get(&digest).and_then(Weak::upgrade) {
        return Ok(Some(known));
    }
    let made = ServerTls::new(&spec).map_err(|refused| common::refused(&at, refused))?;
    Ok(Some(names.tls.servers.keep(digest, Arc::new(made))))
}

/// TLS towards endpoints, or none.
pub(crate) fn client(
    at: &At<'_>,
    socket: &Option<core::TransportSocket>,
    names: &mut Names,
) -> Result<Option<Arc<ClientTls>>, Invalid> {
    let Some(any) = config(at, socket)? else { return Ok(None) };
    let at = at.field("typed_config");
    let message: pb::UpstreamTlsContext = unpack(&at, any)?;
    let (spec, digest) = client::upstream(&at, &message, names)?;
    if let Some(known) = names.tls.clients.get(&digest).and_then(Weak::upgrade) {
        return Ok(Some(known));
    }
    let made = ClientTls::new(&spec).map_err(|refused| common::refused(&at, refused))?;
    Ok(Some(names.tls.clients.keep(digest, Arc::new(made))))
}

/// What the socket is configured by; `None` for a plain one.
fn config<'m>(at: &At<'_>, socket: &'m Option<core::TransportSocket>) -> Result<Option<&'m Any>, Invalid> {
    use core::transport_socket::ConfigType::TypedConfig;
    let Some(socket) = socket else { return Ok(None) };
    fields!(at, socket => core::TransportSocket {
        read: [config_type],
        harmless: [name],
        refused: [],
    });
    let known = |any: &Any| is::<pb::DownstreamTlsContext>(any) || is::<pb::UpstreamTlsContext>(any);
    match config_type {
        Some(TypedConfig(any)) if is::<RawBuffer>(any) => Ok(None),
        Some(TypedConfig(any)) if known(any) => Ok(Some(any)),
        Some(TypedConfig(any)) => Err(unknown(&at.field("typed_config"), any)),
        None => Err(at.missing("typed_config")),
    }
}

/// SHA-256 of everything that settings consist of, files' contents included.
type Digest = [u8; 32];

/// Settings in force by what they consist of: equal bytes are one object, whose tickets and remembered sessions go on.
#[derive(Default)]
pub(crate) struct Known {
    servers: ByDigest<ServerTls>,
    clients: ByDigest<ClientTls>,
}

struct ByDigest<T> {
    known: HashMap<Digest, Weak<T>>,
    /// How many there were after the last sweep.
    swept: usize,
}

impl<T> Default for ByDigest<T> {
    fn default() -> Self {
        Self { known: HashMap::default(), swept: 0 }
    }
}

impl<T> ByDigest<T> {
    fn get(&self, digest: &Digest) -> Option<&Weak<T>> {
        self.known.get(digest)
    }

    fn keep(&mut self, digest: Digest, made: Arc<T>) -> Arc<T> {
        // Twice what the last sweep left: every entry is looked at a bounded number of times.
        if self.known.len() > 2 * self.swept + 16 {
            self.known.retain(|_, weak| weak.strong_count() > 0);
            self.swept = self.known.len();
        }
        self.known.insert(digest, Arc::downgrade(&made));
        made
    }
}
