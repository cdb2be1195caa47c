//! The TLS handshake with a client: how many at once, how long, and what is counted of it. Knows no filter chains but the one
//! that was chosen.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use forebay_model::FilterChain;
use forebay_net::tls::{Failure, HandshakeError, Hello, TlsStream};
use forebay_telemetry::{Listener, ListenerStats};
use tokio::net::TcpStream;

use super::arrive::{Closing, Patience, Stop};
use crate::worker::Worker;

/// Handshakes of one worker at once. Each holds about 40 KiB and will want up to a millisecond of the processor: those beyond
/// this would wait for seconds, and are closed instead.
const MOST: usize = 2048;

/// Where the chain says nothing: a client that takes longer is gone or means harm. Envoy would wait for ever.
const LONGEST: Duration = Duration::from_secs(15);

/// The alert for clients that know no version we speak (RFC 8446, 6.2).
const PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];

/// The alert for a record longer than any may be (RFC 5246, 6.2.3: 2^14 and 2 KiB), which the library calls malformed.
const RECORD_OVERFLOW: [u8; 7] = [21, 3, 1, 0, 2, 2, 22];
const LONGEST_RECORD: u16 = 16 * 1024 + 2048;

/// Shakes hands; `None` where that came to nothing, which has been counted.
pub(super) async fn server(
    worker: &Rc<Worker>,
    chain: &FilterChain,
    stats: &ListenerStats,
    hello: &Hello,
    stream: TcpStream,
    first: Vec<u8>,
    peer: SocketAddr,
) -> Option<TlsStream> {
    if worker.handshakes.get() >= MOST {
        stats.inc(Listener::HandshakeOverflow);
        return None;
    }
    worker.handshakes.set(worker.handshakes.get() + 1);
    let _one = Closing(|| worker.handshakes.set(worker.handshakes.get() - 1));
    if (1..0x0303).contains(&hello.newest) {
        // The library would miss an extension first, and call it by another name.
        stats.inc(Listener::SslConnectionError);
        let _ = stream.try_write(&PROTOCOL_VERSION);
        return None;
    }
    if let [22, 3, _, high, low, ..] = *first
        && u16::from_be_bytes([high, low]) > LONGEST_RECORD
    {
        stats.inc(Listener::SslConnectionError);
        let _ = stream.try_write(&RECORD_OVERFLOW);
        return None;
    }
    let session = chain.tls.as_ref()?.session(hello).ok()?;
    let mut tls = TlsStream::new(stream, session.into(), first);
    let limit = if chain.handshake_timeout.is_zero() { LONGEST } else { chain.handshake_timeout };
    let done = Patience::new(worker, limit).wait(tls.handshake()).await;
    match done {
        Ok(Ok(())) => {
            stats.inc(Listener::SslHandshake);
            if tls.is_resumed() {
                stats.inc(Listener::SslSessionReused);
            }
            if tls.session().peer_certificates().is_none() {
                stats.inc(Listener::SslNoCertificate);
            }
            stats.inc(if tls.version() == "TLSv1.3" { Listener::SslTls13 } else { Listener::SslTls12 });
            Some(tls)
        }
        Ok(Err(error)) => {
            count(stats, &error);
            tracing::debug!(%peer, chain = %chain.name, %error, "a TLS handshake failed");
            None
        }
        Err(Stop::Late) => {
            stats.inc(Listener::DownstreamCxTransportSocketConnectTimeout);
            None
        }
        Err(Stop::Draining) => None,
    }
}

/// As Envoy: a certificate that is not good enough is counted as that alone.
fn count(stats: &ListenerStats, error: &HandshakeError) {
    stats.inc(match error.failure() {
        Failure::Broken => return,
        Failure::Protocol => Listener::SslConnectionError,
        Failure::NoCertificate => Listener::SslFailVerifyNoCert,
        Failure::Untrusted => Listener::SslFailVerifyError,
        Failure::WrongName => Listener::SslFailVerifySan,
    });
}
