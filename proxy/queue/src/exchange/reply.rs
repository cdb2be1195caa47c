//! Answers of the queue-proxy's own, as Go's server would write them. Knows no reasons.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use forebay_http::h1::{Framing, Persist};
use forebay_http::{Client, Known, Piece, Version};
use forebay_net::Phase;

use super::{After, Exchange};
use crate::sidecar::Sidecar;

/// What an answer says of its body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Nothing.
    Bare,
    /// An error's text: Go's `http.Error`.
    Error,
    /// What Go's server finds a text to be.
    Sniffed,
    /// This type.
    Typed(&'static str),
}

const TEXT: &[u8] = b"text/plain; charset=utf-8";

/// Answers with this status and body, and with the headers that are in `x.res` already.
pub(crate) async fn reply<C: Client>(
    sidecar: &Rc<Sidecar>,
    x: &mut Exchange,
    client: &mut C,
    status: u16,
    body: &[u8],
    kind: Kind,
) -> After {
    x.res.status = status;
    (x.status, x.sent) = (status, body.len() as u64);
    match kind {
        Kind::Bare => {}
        Kind::Error => {
            x.res.push(b"content-type", TEXT);
            x.res.push(b"x-content-type-options", b"nosniff");
        }
        Kind::Sniffed => x.res.push(b"content-type", TEXT),
        Kind::Typed(kind) => x.res.push(b"content-type", kind.as_bytes()),
    }
    date(sidecar, x);
    discard(client).await;
    // A body that was announced and not read would be taken for the next request.
    let keep = x.asked.keep_alive && client.has_read_all() && sidecar.drain.phase() < Phase::Closing;
    let framing = if x.req.is_head() { Framing::None } else { Framing::Length(body.len() as u64) };
    // HTTP/1 frames by it, HTTP/2 tells it; of a response without its body it says what there would be.
    if x.req.is_head() && !body.is_empty() || x.asked.apart {
        let mut digits = itoa::Buffer::new();
        x.res.set(Known::ContentLength.name(), digits.format(body.len()).as_bytes());
    }
    if client.respond(&x.res, framing, persist(keep, x.req.version), x.req.version).is_err() {
        return After::Close;
    }
    if framing != Framing::None && !send(client, body).await {
        return After::Close;
    }
    if poll_fn(|cx| client.poll_flush(cx)).await.is_err() {
        return After::Close;
    }
    if keep { After::KeepAlive } else { After::Close }
}

/// Sends a whole body and its end; whether the client took it.
async fn send<C: Client>(client: &mut C, body: &[u8]) -> bool {
    let mut rest = body;
    while !rest.is_empty() {
        match poll_fn(|cx| client.poll_send(cx, rest)).await {
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(_) => return false,
        }
    }
    client.finish(None).is_ok()
}

/// The `date` of a response that has none.
pub(super) fn date(sidecar: &Sidecar, x: &mut Exchange) {
    if !x.res.has(Known::Date) {
        let date = sidecar.date.now(&sidecar.clock);
        x.res.push(Known::Date.name(), &date);
    }
}

/// What the head says about the connection.
pub(super) fn persist(keep: bool, version: Version) -> Persist {
    match (keep, version) {
        (true, Version::H10) => Persist::KeepAlive,
        (true, _) => Persist::Default,
        (false, _) => Persist::Close,
    }
}

/// The most of a request's body that is read for nothing so that its connection can go on: Go's `maxPostHandlerReadBytes`.
const DISCARDED: usize = 256 * 1024;

/// Drops what has come of a body that nobody wants.
async fn discard<C: Client>(client: &mut C) {
    let mut dropped = 0;
    poll_fn(|cx| {
        while !client.has_read_all() && dropped < DISCARDED {
            match client.poll_piece(cx) {
                Poll::Ready(Ok(Piece::Data(n))) => {
                    client.consume(n);
                    dropped += n;
                }
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
        Poll::Ready(())
    })
    .await;
}
