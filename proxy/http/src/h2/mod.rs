//! HTTP/2 by the `h2` crate: its streams as legs that fill and drain the same [`Head`](crate::Head). Knows no HTTP/1.1 framing
//! and no routing.

mod body;
mod client;
mod convert;
mod meter;
mod pinger;
mod server;

pub use client::ClientStream;
pub use convert::BadRequest;
pub use meter::{Meter, Metered};
pub use pinger::{Keepalive, Pinger};
pub use server::ServerStream;

/// 64 KiB a stream: Envoy's edge recommendation; 100 streams of it are what one connection can make us hold.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// 1 MiB a connection, likewise.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Concurrent streams we accept on one connection, likewise.
pub const MAX_STREAMS: u32 = 100;

/// Takes a connection from a client, who may ask for `tunnels` by extended CONNECT (RFC 8441).
pub async fn accept<T>(
    io: T,
    max_streams: u32,
    header_bytes: u32,
    tunnels: bool,
) -> Result<::h2::server::Connection<T, bytes::Bytes>, ::h2::Error>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut builder = ::h2::server::Builder::new();
    if tunnels {
        builder.enable_connect_protocol();
    }
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(max_streams)
        .max_header_list_size(header_bytes)
        .handshake(io)
        .await
}

/// What a connection to an endpoint announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Streams at once, whatever the endpoint would allow.
    pub max_concurrent_streams: u32,
    /// Bytes of one stream on the way; never more than [`UPSTREAM_STREAM_WINDOW`].
    pub stream_window: u32,
    /// Bytes of the connection on the way; never more than [`UPSTREAM_CONNECTION_WINDOW`].
    pub connection_window: u32,
    /// PINGs, if any.
    pub keepalive: Option<Keepalive>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            stream_window: UPSTREAM_STREAM_WINDOW,
            connection_window: UPSTREAM_CONNECTION_WINDOW,
            keepalive: None,
        }
    }
}

/// 1 MiB: what a stream of a slow client can make us hold, however large a window a cluster allows.
pub const UPSTREAM_STREAM_WINDOW: u32 = 1024 * 1024;
/// 4 MiB, likewise for all streams of a connection.
pub const UPSTREAM_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// Opens a connection to an endpoint: the handle to open streams with, and the connection, which somebody has to poll.
pub async fn connect<T>(
    io: T,
    settings: &Settings,
) -> Result<(::h2::client::SendRequest<bytes::Bytes>, ::h2::client::Connection<T, bytes::Bytes>), ::h2::Error>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    ::h2::client::Builder::new()
        .initial_window_size(settings.stream_window.min(UPSTREAM_STREAM_WINDOW))
        .initial_connection_window_size(settings.connection_window.min(UPSTREAM_CONNECTION_WINDOW))
        .max_header_list_size(128 * 1024)
        .enable_push(false)
        .handshake(io)
        .await
}
