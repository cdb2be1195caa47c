//! The response's way back: head, then both bodies until the response is whole or a clock ends it. Knows no second tries.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use forebay_http::h1::Framing;
use forebay_http::{Client, Flow, Known, Piece, Source, Version, Wrong};
use forebay_net::Phase;

use super::forward::Answered;
use super::{After, Clocks, Exchange, Fault, TIMEOUT, headers, reply, sniff};
use crate::sidecar::Sidecar;

/// Delivers the response on `answered`.
pub(super) async fn response<C: Client>(
    sidecar: &Rc<Sidecar>,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
    answered: &mut Answered,
) -> After {
    x.status = x.res.status;
    headers::response(x, answered.framing);
    reply::date(sidecar, x);
    let bodiless = x.req.is_head() || matches!(x.res.status, 204 | 304);
    let framing = match answered.framing {
        Framing::None | Framing::Unsent if bodiless => Framing::None,
        Framing::None | Framing::Unsent => Framing::Length(0),
        Framing::Length(n) => Framing::Length(n),
        Framing::Chunked | Framing::Close if x.req.version == Version::H10 => Framing::Close,
        Framing::Chunked | Framing::Close => Framing::Chunked,
    };
    if headers::is_untyped(x, answered.framing)
        && let Some(kind) = Box::pin(find_type(clocks, client, answered)).await
    {
        x.res.push(Known::ContentType.name(), kind.as_bytes());
    }
    let keep = x.asked.keep_alive
        && framing != Framing::Close
        // A client whose body was never asked for may send it or not: nobody could tell it from the next request.
        && !answered.upload.is_held()
        && sidecar.drain.phase() < Phase::Closing;
    let persist = reply::persist(keep, x.req.version);
    if client.respond(&x.res, framing, persist, x.req.version).is_err() {
        answered.abort();
        return After::Close;
    }
    clocks.wrote();
    let mut down = Flow::default();
    let relayed = relay(clocks, client, answered, &mut down).await;
    x.sent = down.bytes;
    match relayed {
        Ok(()) if keep && client.has_read_all() => After::KeepAlive,
        Ok(()) => After::Close,
        Err(fault) => {
            answered.abort();
            answered.use_up();
            match fault {
                Fault::Late => late(framing, &down, client, keep).await,
                fault => {
                    if matches!(fault, Fault::BadBody) {
                        // The reference's handler breaks off by a panic then, which its recorder notes so.
                        (x.status, x.sent) = (500, 0);
                    }
                    // What has come is delivered, and the client must not take it for the whole.
                    poll_fn(|cx| Poll::Ready(client.poll_flush(cx).is_ready())).await;
                    client.abort();
                    After::Close
                }
            }
        }
    }
}

/// Looks at the first bytes of a body that says no type; `None` if none came.
async fn find_type<C: Client>(
    clocks: &mut Clocks,
    client: &mut C,
    answered: &mut Answered,
) -> Option<&'static str> {
    poll_fn(|cx| {
        match answered.up.poll_piece(cx) {
            Poll::Ready(Ok(Piece::Data(n))) => {
                return Poll::Ready(Some(sniff::content_type(answered.up.data(n.min(sniff::LENGTH)))));
            }
            Poll::Ready(_) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        let over = clocks.poll(cx).is_ready() || client.has_read_all() && client.poll_gone(cx).is_ready();
        // Whoever relays finds the same, and says what it means.
        if over { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// Moves both bodies until the response's end has reached the client.
async fn relay<C: Client>(
    clocks: &mut Clocks,
    client: &mut C,
    answered: &mut Answered,
    down: &mut Flow,
) -> Result<(), Fault> {
    poll_fn(|cx| {
        let before = down.bytes;
        match down.poll(cx, &mut answered.up, client) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Wrong::Source(_))) => return Poll::Ready(Err(Fault::BadBody)),
            Poll::Ready(Err(Wrong::Sink(_))) => return Poll::Ready(Err(Fault::Gone)),
            Poll::Pending => {}
        }
        if down.bytes != before {
            clocks.wrote();
        }
        if !answered.upload.is_held() && answered.upload.poll(cx, client, &mut answered.up).is_err() {
            return Poll::Ready(Err(Fault::Gone));
        }
        if clocks.poll(cx).is_ready() {
            return Poll::Ready(Err(Fault::Late));
        }
        if client.has_read_all() && client.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Fault::Gone));
        }
        Poll::Pending
    })
    .await
}

/// A clock ran out in the middle: its words follow what has been sent, and that is the end. A client that was promised a length
/// sees that it was not kept.
async fn late<C: Client>(framing: Framing, down: &Flow, client: &mut C, keep: bool) -> After {
    let fits = match framing {
        Framing::Length(n) => n.saturating_sub(down.bytes) >= TIMEOUT.len() as u64,
        Framing::Chunked | Framing::Close => true,
        Framing::None | Framing::Unsent => false,
    };
    if fits {
        let mut rest = TIMEOUT;
        while !rest.is_empty() {
            match poll_fn(|cx| client.poll_send(cx, rest)).await {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(_) => return After::Close,
            }
        }
    }
    let whole = client.finish(None).is_ok();
    let flushed = poll_fn(|cx| client.poll_flush(cx)).await.is_ok();
    if !whole {
        client.abort();
    }
    if whole && flushed && keep && client.has_read_all() { After::KeepAlive } else { After::Close }
}
