//! The TLS handshake of a connection, within the time that a head may take. Knows no HTTP but the mistake of speaking it here.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use forebay_net::Stream;
use forebay_net::tls::{Hello, ServerTls, TlsStream};
use rustls::Connection;
use tokio::net::TcpStream;

use super::HEAD;
use crate::request_log::Secure;
use crate::sidecar::Sidecar;

/// What Go's server says to who speaks HTTP to it in clear text.
const CLEAR: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// How such a client begins: Go looks at these five bytes.
const METHODS: [&[u8; 5]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];

/// Shakes hands by `tls`; `None` where that came to nothing.
pub(super) async fn shake(
    sidecar: &Rc<Sidecar>,
    stream: TcpStream,
    tls: Option<Rc<ServerTls>>,
) -> Option<Stream> {
    let mut late = sidecar.timer.after(HEAD);
    let mut shaking = Box::pin(shaken(stream, tls?));
    poll_fn(|cx| match shaking.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(done),
        Poll::Pending => late.poll_expired(cx).map(|()| None),
    })
    .await
}

/// What the request log may tell of a session.
pub(super) fn about(tls: &TlsStream) -> Secure {
    let (suite, server_name) = match tls.session() {
        Connection::Server(session) => (
            session.negotiated_cipher_suite().map_or(0, |suite| u16::from(suite.suite())),
            session.server_name().unwrap_or_default().to_owned(),
        ),
        Connection::Client(_) => (0, String::new()),
    };
    Secure {
        version: if tls.version() == "TLSv1.3" { 0x0304 } else { 0x0303 },
        protocol: String::from_utf8_lossy(tls.alpn().unwrap_or_default()).into_owned(),
        server_name,
        resumed: tls.is_resumed(),
        suite,
    }
}

async fn shaken(stream: TcpStream, tls: Rc<ServerTls>) -> Option<Stream> {
    let mut first = [0; 5];
    let seen = stream.peek(&mut first).await.ok()?;
    if seen == first.len() && METHODS.contains(&&first) {
        let _ = stream.try_write(CLEAR);
        // What is not read would turn the end into a reset, and the words with it.
        let _ = stream.try_read(&mut [0; 4096]);
        return None;
    }
    // Whoever offers no protocol of ours is refused by the session itself, as by Go's.
    let session = tls.session(&Hello::default()).ok()?;
    let mut tls = TlsStream::new(stream, session.into(), Vec::new());
    match tls.handshake().await {
        Ok(()) => Some(Stream::Tls(Box::new(tls))),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
    }
}
