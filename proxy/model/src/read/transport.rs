//! `core.v3.TransportSocket`: only the plain one, which may be named or left out.

use forebay_proto::envoy::config::core::v3 as core;
use forebay_proto::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;

use super::any::{is, unknown};
use super::at::At;
use super::invalid::Invalid;

/// Refuses everything that is not plain, by its type.
pub(crate) fn plain(at: &At<'_>, socket: &Option<core::TransportSocket>) -> Result<(), Invalid> {
    use core::transport_socket::ConfigType::TypedConfig;
    match socket.as_ref().map(|socket| &socket.config_type) {
        None => Ok(()),
        Some(Some(TypedConfig(any))) if is::<RawBuffer>(any) => Ok(()),
        Some(Some(TypedConfig(any))) => Err(unknown(&at.field("typed_config"), any)),
        Some(None) => Err(at.missing("typed_config")),
    }
}
