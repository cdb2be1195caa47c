//! Opening a connection, plain or through TLS. Knows no pools.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_net::Stream;
use forebay_net::tls::{Asked, ClientTls, Failure, HandshakeError};
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
    /// The endpoint and we did not agree on TLS.
    #[error("TLS: {0}")]
    Tls(#[from] HandshakeError),
    /// The HTTP/2 preface was not answered with SETTINGS.
    #[error("HTTP/2 handshake: {0}")]
    Handshake(#[from] forebay_http::h2::Error),
}

impl ConnectError {
    /// Whether the endpoint's host said no, as against saying nothing.
    pub fn is_refused(&self) -> bool {
        matches!(self, ConnectError::Refused(e) if e.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// What TLS failed by, if it did.
    pub fn tls(&self) -> Option<Failure> {
        match self {
            ConnectError::Tls(error) => Some(error.failure()),
            _ => None,
        }
    }
}

/// Where to connect to, and how.
#[derive(Debug, Clone, Copy)]
pub struct Dial<'d> {
    /// The endpoint.
    pub address: SocketAddr,
    /// How long it may take, TLS included.
    pub timeout: Duration,
    /// TLS, if the endpoint speaks it.
    pub tls: Option<&'d ClientTls>,
    /// The names of that, where they are the request's to say.
    pub asked: Option<&'d Asked>,
}

impl Dial<'_> {
    /// Opens a connection that is to carry this version of HTTP, without Nagle's delay.
    pub async fn connect(&self, http2: bool) -> Result<Stream, ConnectError> {
        let open = tokio::time::timeout(self.timeout, self.open(http2));
        open.await.map_err(|_| ConnectError::Timeout(self.timeout))?
    }

    async fn open(&self, http2: bool) -> Result<Stream, ConnectError> {
        let io = TcpStream::connect(self.address).await?;
        io.set_nodelay(true)?;
        let Some(tls) = self.tls else { return Ok(Stream::Plain(io)) };
        let mut stream = tls.begin(io, self.address.ip(), http2, self.asked).map_err(HandshakeError::Tls)?;
        stream.handshake().await?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}
