//! An HTTP/2 connection: streams as tasks of their own, the connection itself polled here. Knows no request's meaning.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use forebay_http::h1::Framing;
use forebay_http::h2::{self as http2, Arrived, Reason, ServerStream};
use forebay_net::{Phase, Stream};

use tokio::io::{AsyncRead, AsyncWrite};

use super::upgrade::{First, Upgrade};
use super::{Door, Peer};
use crate::exchange::{Asked, Clocks};
use crate::sidecar::Sidecar;

/// What Go's server allows: streams at once.
const STREAMS: u32 = 250;
/// Bytes of a head, `DefaultMaxHeaderBytes`.
const HEAD_BYTES: u32 = 1 << 20;
/// Header fields; more than the HTTP/1.1 leg's table has would be of no use.
const HEADERS: usize = 200;

/// Serves the connection to its end.
pub(super) async fn serve(sidecar: &Rc<Sidecar>, peer: Peer, stream: Stream) {
    let connection = http2::accept(stream, &sidecar.buffers, STREAMS, HEAD_BYTES, false);
    streams(sidecar, &Rc::new(peer), connection).await;
}

/// Serves a connection that was one of HTTP/1.1 until its request asked for more (RFC 7540 3.2). That request is the first stream.
pub(super) async fn upgraded(sidecar: &Rc<Sidecar>, peer: Peer, wanted: Box<Upgrade>) {
    let Upgrade { wire, settings, mut x, body, trailers } = *wanted;
    let peer = Rc::new(peer);
    let (connection, first) = http2::upgrade(wire, &sidecar.buffers, STREAMS, HEAD_BYTES, &settings);
    if let Some(stream) = first {
        let (sidecar, peer) = (sidecar.clone(), peer.clone());
        x.asked.keep_alive = true;
        x.asked.apart = true;
        tokio::task::spawn_local(async move {
            let mut first = First::new(stream, body, trailers);
            let mut clocks = Clocks::new(&sidecar);
            super::answer(&sidecar, Door::Main, &peer, &mut x, &mut clocks, &mut first).await;
            sidecar.give_back_exchange(x);
        });
    }
    streams(sidecar, &peer, connection).await;
}

async fn streams<T>(sidecar: &Rc<Sidecar>, peer: &Rc<Peer>, mut connection: http2::Connection<T>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut guard = sidecar.drain.guard();
    loop {
        let next = poll_fn(|cx| {
            while let Poll::Ready(phase) = guard.poll_phase(cx) {
                match phase {
                    Phase::Cut => return Poll::Ready(None),
                    // GOAWAY with all streams so far allowed to end.
                    Phase::Closing => connection.graceful_shutdown(),
                    Phase::Running | Phase::DrainingInbound | Phase::Draining => {}
                }
            }
            connection.poll_accept(cx)
        })
        .await;
        match next {
            Some(Ok(arrived)) => {
                let (sidecar, peer) = (sidecar.clone(), peer.clone());
                // Boxed: tokio moves a task's future about when it begins and when it ends, and this one is some kilobytes.
                tokio::task::spawn_local(Box::pin(async move { stream(&sidecar, &peer, arrived).await }));
            }
            Some(Err(error)) => {
                if !error.is_io() && error.reason() != Some(Reason::NO_ERROR) {
                    tracing::debug!(peer = %peer.from.remote, %error, "an HTTP/2 connection broke");
                }
                break;
            }
            None => break,
        }
    }
}

async fn stream(sidecar: &Rc<Sidecar>, peer: &Peer, arrived: Arrived) {
    let mut x = sidecar.lend_exchange();
    let (mut leg, framing) = ServerStream::open(arrived, HEADERS, &mut x.req);
    match framing {
        Ok(_) if x.req.is_connect() => leg.reset(Reason::PROTOCOL_ERROR),
        Ok(framing) => {
            let expects_continue = framing != Framing::None
                && x.req.get(b"expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
            let upgrade = leg.asks_for_tunnel();
            // A body that is known to have no byte is none (Go's `http.NoBody`).
            let framing = if framing == Framing::Length(0) { Framing::None } else { framing };
            x.asked = Asked { framing, keep_alive: true, expects_continue, upgrade, apart: true };
            let mut clocks = Clocks::new(sidecar);
            super::answer(sidecar, Door::Main, peer, &mut x, &mut clocks, &mut leg).await;
        }
        Err(why) => {
            tracing::debug!(peer = %peer.from.remote, %why, "a request of HTTP/2 was refused");
            leg.reset(Reason::PROTOCOL_ERROR);
        }
    }
    sidecar.give_back_exchange(x);
}
