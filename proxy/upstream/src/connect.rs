//! Opening a connection. Knows no pools.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_net::Stream;
use thiserror::Error;
use tokio::net::TcpStream;

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The endpoint did not answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The endpoint or the network refused.
    #[error("{0}")]
    Refused(#[from] io::Error),
    /// The HTTP/2 preface was not answered with SETTINGS.
    #[error("HTTP/2 handshake: {0}")]
    Handshake(#[from] h2::Error),
}

impl ConnectError {
    /// Whether the endpoint's host said no, as against saying nothing.
    pub fn is_refused(&self) -> bool {
        matches!(self, ConnectError::Refused(e) if e.kind() == io::ErrorKind::ConnectionRefused)
    }
}

/// Opens a connection within `timeout`, without Nagle's delay.
pub async fn connect(address: SocketAddr, timeout: Duration) -> Result<Stream, ConnectError> {
    let io = tokio::time::timeout(timeout, TcpStream::connect(address))
        .await
        .map_err(|_| ConnectError::Timeout(timeout))??;
    io.set_nodelay(true)?;
    Ok(Stream::Plain(io))
}
