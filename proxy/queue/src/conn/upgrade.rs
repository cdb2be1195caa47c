//! From HTTP/1.1 to HTTP/2 on one connection (RFC 7540 3.2, `Upgrade: h2c`), as Go's `h2c.NewHandler` has it: the request is read
//! whole, answered by 101, and served as the first stream. Knows no streams after that.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use forebay_http::h1::{BodyError, Framing, Gone, Leg, Persist, RequestMeta};
use forebay_http::h2::ServerStream;
use forebay_http::{Client, Head, Known, Left, Piece, Sink, Source, Version, WireBytes, tokens};
use forebay_net::Timeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::exchange::{self, After, Asked, Exchange, Kind};
use crate::sidecar::Sidecar;

/// Bytes of a request that is held whole before it is answered.
const LONGEST: usize = 4 << 20;

const YES: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

/// Go's `base64.RawURLEncoding`: no padding, and no opinion of the bits behind the last byte.
const ALPHABET: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Whether a request asks for it.
pub(super) fn is_wanted(req: &Head) -> bool {
    let Some(upgrade) = req.known(Known::Upgrade) else { return false };
    tokens(upgrade).any(|one| one.eq_ignore_ascii_case(b"h2c"))
        && req
            .values(Known::Connection.name())
            .any(|value| tokens(value).any(|one| one.eq_ignore_ascii_case(b"http2-settings")))
}

/// Whether a request asks for an upgrade to whatever the app may know; an upgrade to h2c is one as well, as far as the app goes.
pub(super) fn to_any(req: &Head, meta: &RequestMeta) -> bool {
    meta.upgrade
        || req.known(Known::Upgrade).is_some_and(|to| to.eq_ignore_ascii_case(b"h2c"))
            && req.has_token(Known::Connection, b"upgrade")
}

/// A request that has been answered by 101.
pub(super) struct Wanted {
    end: Timeout,
    settings: Vec<u8>,
    x: Box<Exchange>,
    body: Vec<u8>,
    trailers: Option<Head>,
}

/// The same with its connection.
pub(super) struct Upgrade {
    pub(super) wire: Wire,
    pub(super) settings: Vec<u8>,
    pub(super) x: Box<Exchange>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Head>,
}

impl Wanted {
    pub(super) fn over(self: Box<Self>, leg: Leg) -> Box<Upgrade> {
        let Self { end, settings, x, body, trailers } = *self;
        Box::new(Upgrade { wire: Wire { leg, end, ends: false }, settings, x, body, trailers })
    }
}

/// Reads the request to its end and says yes; `Err` if it was answered otherwise, or not at all.
pub(super) async fn agree(
    sidecar: &Rc<Sidecar>,
    leg: &mut Leg,
    mut x: Box<Exchange>,
    meta: &RequestMeta,
) -> Result<Box<Wanted>, After> {
    x.asked = Asked {
        framing: meta.framing,
        keep_alive: meta.keep_alive,
        expects_continue: false,
        upgrade: to_any(&x.req, meta),
        apart: false,
    };
    let Some(settings) = settings(&x.req) else {
        x.res.clear();
        let after = exchange::reply(sidecar, &mut x, leg, 500, b"", Kind::Bare).await;
        sidecar.give_back_exchange(x);
        return Err(after);
    };
    let body = match whole(leg, meta).await {
        Ok(body) => body,
        Err(Fault::Gone) => return Err(After::Close),
        Err(Fault::TooLarge) => {
            x.asked.keep_alive = false;
            x.res.clear();
            return Err(exchange::reply(sidecar, &mut x, leg, 413, b"", Kind::Bare).await);
        }
    };
    let trailers = leg.trailers().map(|trailers| {
        let mut own = Head::default();
        trailers.iter().for_each(|(name, value, _)| own.push(name, value));
        own
    });
    leg.push_raw(YES);
    poll_fn(|cx| leg.poll_flush(cx)).await.map_err(|_| After::Close)?;
    leg.tunnel();
    Ok(Box::new(Wanted { end: sidecar.timer.never(), settings, x, body, trailers }))
}

enum Fault {
    Gone,
    TooLarge,
}

/// The whole body.
async fn whole(leg: &mut Leg, meta: &RequestMeta) -> Result<Vec<u8>, Fault> {
    if meta.expects_continue {
        leg.push_raw(b"HTTP/1.1 100 Continue\r\n\r\n");
        poll_fn(|cx| leg.poll_flush(cx)).await.map_err(|_| Fault::Gone)?;
    }
    let mut body = Vec::new();
    while let Piece::Data(n) = poll_fn(|cx| leg.poll_piece(cx)).await.map_err(|_| Fault::Gone)? {
        if body.len() + n > LONGEST {
            return Err(Fault::TooLarge);
        }
        body.extend_from_slice(leg.data(n));
        leg.consume(n);
    }
    Ok(body)
}

/// What the one `HTTP2-Settings` says.
fn settings(req: &Head) -> Option<Vec<u8>> {
    let mut values = req.values(Known::Http2Settings.name());
    match (values.next(), values.next()) {
        (Some(value), None) => ALPHABET.decode(value).ok(),
        _ => None,
    }
}

/// A connection after its 101, as bytes both ways.
pub(super) struct Wire {
    leg: Leg,
    /// How long its end may take, once it has begun.
    end: Timeout,
    ends: bool,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let leg = &mut self.leg;
        match ready!(leg.poll_piece(cx)) {
            Ok(Piece::Data(n)) => {
                let n = n.min(into.remaining());
                into.put_slice(leg.data(n));
                leg.consume(n);
                Poll::Ready(Ok(()))
            }
            Ok(Piece::End) => Poll::Ready(Ok(())),
            Err(BodyError::Io(error)) => Poll::Ready(Err(error)),
            Err(error) => Poll::Ready(Err(io::Error::other(error))),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.leg.poll_send(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Sink::poll_flush(&mut self.leg, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Sink::poll_flush(&mut self.leg, cx))?;
        if !std::mem::replace(&mut self.ends, true) {
            self.leg.shutdown();
            self.end.reset(super::h1::PATIENCE);
        }
        // A client that still writes is let read the last words, as on any connection here.
        if self.end.poll_expired(cx).is_pending() {
            ready!(self.leg.poll_discard(cx, super::h1::LINGER));
        }
        Poll::Ready(Ok(()))
    }
}

/// The first stream: its request came by HTTP/1.1 and is here, its answer goes by HTTP/2.
pub(super) struct First {
    stream: ServerStream,
    body: Vec<u8>,
    at: usize,
    trailers: Option<Head>,
}

impl First {
    pub(super) fn new(stream: ServerStream, body: Vec<u8>, trailers: Option<Head>) -> Self {
        Self { stream, body, at: 0, trailers }
    }

    fn rest(&self) -> &[u8] {
        self.body.get(self.at..).unwrap_or_default()
    }
}

impl Source for First {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        let n = self.rest().len();
        Poll::Ready(Ok(if n > 0 { Piece::Data(n) } else { Piece::End }))
    }

    fn data(&self, n: usize) -> &[u8] {
        self.rest().get(..n).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.trailers.as_ref()
    }
}

impl Sink for First {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_send(cx, data)
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        self.stream.finish(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Sink::poll_flush(&mut self.stream, cx)
    }
}

impl Client for First {
    fn respond(&mut self, head: &Head, framing: Framing, persist: Persist, to: Version) -> io::Result<()> {
        self.stream.respond(head, framing, persist, to)
    }

    fn inform(&mut self, head: &Head) -> io::Result<()> {
        Client::inform(&mut self.stream, head)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        Client::poll_gone(&mut self.stream, cx)
    }

    fn is_broken(&self) -> bool {
        self.stream.is_broken()
    }

    fn wire(&self) -> WireBytes {
        self.stream.wire()
    }

    fn left(&mut self) -> Left {
        Client::left(&mut self.stream)
    }

    fn has_read_all(&self) -> bool {
        self.at == self.body.len()
    }

    fn buffered(&self) -> usize {
        self.body.len() - self.at
    }

    fn abort(&mut self) {
        self.stream.abort();
    }

    /// The stream has been upgraded once, and is no connection that could be again.
    fn open_tunnel(&mut self, _: &Head) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn shutdown(&mut self) {}
}
