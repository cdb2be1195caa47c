//! An HTTP/2 connection: streams as tasks of their own, the connection itself polled here. Knows no request's meaning.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use forebay_http::h1::Framing;
use forebay_http::h2::{self as http2, ServerStream};
use forebay_net::{Phase, Stream};
use forebay_telemetry::Http;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use tokio::sync::Notify;

use super::Listening;
use crate::exchange::{Asked, Peer, refuse, run};
use crate::fault::Fault;
use crate::worker::Worker;

/// Streams of one connection that are being served.
#[derive(Default)]
struct Streams {
    open: Cell<usize>,
    ended: Notify,
}

/// Serves the connection to its end.
pub(super) async fn serve(worker: &Rc<Worker>, on: &Rc<Listening>, peer: &Peer, stream: Stream) {
    let http = on.http();
    http.stats.inc(Http::DownstreamCxHttp2Total);
    http.stats.inc(Http::DownstreamCxHttp2Active);
    let most = http.manager.http2.max_concurrent_streams.min(http2::MAX_STREAMS);
    let head_bytes = u32::try_from(http.limits.head_bytes).unwrap_or(u32::MAX);
    match http2::accept(stream, most, head_bytes, http.manager.http2.allow_connect).await {
        Ok(connection) => streams(worker, on, peer, connection).await,
        Err(_) => http.stats.inc(Http::DownstreamCxProtocolError),
    }
    http.stats.dec(Http::DownstreamCxHttp2Active);
}

async fn streams(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    mut connection: h2::server::Connection<Stream, Bytes>,
) {
    let peer = Rc::new(Peer {
        remote: peer.remote,
        local: peer.local,
        direct: peer.direct,
        secure: peer.secure.clone(),
        text: peer.text.clone(),
        connection: peer.connection,
    });
    let streams = Rc::new(Streams::default());
    let mut guard = worker.drain.guard();
    let mut idle = worker.timer.never();
    let mut pinger = on.http().manager.http2.keepalive.and_then(|keepalive| {
        let keepalive = http2::Keepalive { interval: keepalive.interval, timeout: keepalive.timeout };
        connection.ping_pong().map(|pings| http2::Pinger::new(pings, keepalive))
    });
    loop {
        if streams.open.get() == 0 {
            let limit = on.http().manager.idle_timeout;
            if limit.is_zero() { idle.stop() } else { idle.reset(limit) }
        } else {
            idle.stop();
        }
        let ended = streams.ended.notified();
        tokio::pin!(ended);
        let next = poll_fn(|cx| {
            while let Poll::Ready(phase) = guard.poll_phase(cx) {
                match phase {
                    Phase::Cut => return Poll::Ready(None),
                    // GOAWAY with all streams so far allowed to end.
                    _ => connection.graceful_shutdown(),
                }
            }
            if let Some(pinger) = &mut pinger
                && pinger.poll(cx).is_ready()
            {
                on.http().stats.inc(Http::Http2KeepaliveTimeout);
                return Poll::Ready(None);
            }
            if let Poll::Ready(next) = connection.poll_accept(cx) {
                return Poll::Ready(next);
            }
            if idle.poll_expired(cx).is_ready() {
                on.http().stats.inc(Http::DownstreamCxIdleTimeout);
                connection.graceful_shutdown();
                idle.stop();
            }
            // A stream that ended may have been the last: the idle clock starts.
            if ended.as_mut().poll(cx).is_ready() && streams.open.get() == 0 {
                let limit = on.http().manager.idle_timeout;
                if !limit.is_zero() {
                    idle.reset(limit);
                    let _ = idle.poll_expired(cx);
                }
            }
            Poll::Pending
        })
        .await;
        match next {
            Some(Ok((request, respond))) => {
                on.http().stats.inc(Http::DownstreamRqHttp2Total);
                streams.open.set(streams.open.get() + 1);
                if on.sends_away() {
                    connection.graceful_shutdown();
                }
                let (worker, on, peer, streams) = (worker.clone(), on.clone(), peer.clone(), streams.clone());
                tokio::task::spawn_local(async move {
                    let _ended = Ended(streams);
                    stream(&worker, &on, &peer, request, respond).await;
                });
            }
            Some(Err(error)) => {
                if !error.is_io() && error.reason() != Some(Reason::NO_ERROR) {
                    on.http().stats.inc(Http::DownstreamCxProtocolError);
                    tracing::debug!(peer = %peer.remote, %error, "an HTTP/2 connection broke");
                }
                break;
            }
            None => break,
        }
    }
}

struct Ended(Rc<Streams>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
        self.0.ended.notify_waiters();
    }
}

async fn stream(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let mut x = worker.lend_exchange();
    let (mut leg, framing) = ServerStream::open(request, respond, on.http().limits.headers, &mut x.req);
    match framing {
        Ok(framing) => {
            let expects_continue = framing != Framing::None
                && x.req.get(b"expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
            let asked = Asked { framing, keep_alive: true, expects_continue, upgrade: leg.asks_for_tunnel() };
            run(worker, on, peer, asked, &mut x, &mut leg).await;
        }
        Err(why) => {
            let fault = match why {
                http2::BadRequest::TooManyHeaders => Fault::Head(forebay_http::h1::Reject::TooManyHeaders),
                _ => Fault::Head2("http2.invalid.header.field"),
            };
            refuse(worker, on, peer, fault, &mut x, &mut leg).await;
        }
    }
    worker.give_back_exchange(x);
}
