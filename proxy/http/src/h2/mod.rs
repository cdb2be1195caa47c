//! HTTP/2 by the `h2` crate: its streams as legs that fill and drain the same [`Head`](crate::Head). Knows no HTTP/1.1 framing
//! and no routing.

mod body;
mod client;
mod convert;
mod server;

pub use client::ClientStream;
pub use convert::BadRequest;
pub use server::ServerStream;

/// 64 KiB a stream: Envoy's edge recommendation; 100 streams of it are what one connection can make us hold.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// 1 MiB a connection, likewise.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Concurrent streams we accept on one connection, likewise.
pub const MAX_STREAMS: u32 = 100;

/// Takes a connection from a client.
pub async fn accept<T>(
    io: T,
    max_streams: u32,
    header_bytes: u32,
) -> Result<::h2::server::Connection<T, bytes::Bytes>, ::h2::Error>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    ::h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(max_streams)
        .max_header_list_size(header_bytes)
        .enable_connect_protocol()
        .handshake(io)
        .await
}

/// Opens a connection to an endpoint: the handle to open streams with, and the connection, which somebody has to poll.
pub async fn connect<T>(
    io: T,
) -> Result<(::h2::client::SendRequest<bytes::Bytes>, ::h2::client::Connection<T, bytes::Bytes>), ::h2::Error>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    ::h2::client::Builder::new()
        .initial_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .max_header_list_size(128 * 1024)
        .enable_push(false)
        .handshake(io)
        .await
}
