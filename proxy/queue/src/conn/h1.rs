//! An HTTP/1.1 connection: requests one after the other until somebody has had enough. Knows no request's meaning.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_http::Sink;
use forebay_http::h1::{HeadError, Leg, Limits, Reject, RequestMeta};
use forebay_net::{Guard, Phase, Stream};

use super::upgrade::{self, Upgrade, Wanted};
use super::{Door, HEAD, Peer};
use crate::exchange::{After, Asked, Clocks, Exchange};
use crate::sidecar::Sidecar;

/// Go's `DefaultMaxHeaderBytes` with its slack; lines as many as the parser's table has.
const LIMITS: Limits =
    Limits { head_bytes: (1 << 20) + 4096, headers: 200, http10: true, keeps_case: false, connect: false };

/// Bytes read and dropped after the last response, so that a client still sending sees it instead of a reset.
pub(super) const LINGER: usize = 256 * 1024;
/// How long for, as Go's `rstAvoidanceDelay`.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// How long a connection keeps the room of a request after one: a client that asks again within it costs no allocation, and
/// one that is idle for longer holds nothing.
const WARM: Duration = Duration::from_secs(1);

/// Serves the connection to its end, or until it is to be one of HTTP/2.
pub(super) async fn serve(
    sidecar: &Rc<Sidecar>,
    door: Door,
    peer: &Peer,
    stream: Stream,
) -> Option<Box<Upgrade>> {
    let mut leg = Leg::new(stream, sidecar.buffers.clone(), None);
    let mut guard = sidecar.drain.guard();
    let mut clocks = Clocks::new(sidecar);
    let mut wait = Wait::First;
    loop {
        match next(sidecar, &mut leg, &mut guard, &mut clocks, wait).await {
            Next::End => return None,
            // Boxed, so that an idle connection carries no room for it.
            next => {
                let busy = busy(sidecar, door, peer, &mut leg, &mut guard, &mut clocks, next);
                match Box::pin(busy).await {
                    Then::Idle => wait = Wait::Idle,
                    Then::End => return None,
                    Then::Http2(wanted) => return Some(wanted.over(leg)),
                }
            }
        }
    }
}

/// What becomes of a connection that was busy.
enum Then {
    Idle,
    End,
    Http2(Box<Wanted>),
}

/// Answers requests until there is none for a while, or no more at all.
async fn busy(
    sidecar: &Rc<Sidecar>,
    door: Door,
    peer: &Peer,
    leg: &mut Leg,
    guard: &mut Guard,
    clocks: &mut Clocks,
    mut next: Next,
) -> Then {
    loop {
        match next {
            Next::Request(x, meta) if takes_http2(door) && upgrade::is_wanted(&x.req) => {
                match Box::pin(upgrade::agree(sidecar, leg, x, &meta)).await {
                    Ok(wanted) => return Then::Http2(wanted),
                    Err(After::KeepAlive) => {}
                    Err(After::Close) => {
                        Box::pin(linger(sidecar, leg)).await;
                        return Then::End;
                    }
                }
            }
            Next::Request(mut x, meta) => {
                x.asked = Asked {
                    framing: meta.framing,
                    keep_alive: meta.keep_alive && guard.phase() < Phase::Closing,
                    expects_continue: meta.expects_continue,
                    upgrade: upgrade::to_any(&x.req, &meta),
                    apart: false,
                };
                let after = super::answer(sidecar, door, peer, &mut x, clocks, leg).await;
                sidecar.give_back_exchange(x);
                if after == After::Close {
                    if leg.has_sent_all() && !leg.is_idle() {
                        Box::pin(linger(sidecar, leg)).await;
                    }
                    return Then::End;
                }
            }
            Next::Bad(why) => {
                leg.push_raw(refusal(why).as_bytes());
                if poll_fn(|cx| leg.poll_flush(cx)).await.is_ok() {
                    Box::pin(linger(sidecar, leg)).await;
                }
                return Then::End;
            }
            Next::Quiet => return Then::Idle,
            Next::End => return Then::End,
        }
        next = self::next(sidecar, leg, guard, clocks, Wait::Warm).await;
    }
}

/// Whether HTTP/2 is spoken at this door, however it is asked for.
fn takes_http2(door: Door) -> bool {
    matches!(door, Door::Main | Door::Tls)
}

/// What a connection brings next.
enum Next {
    Request(Box<Exchange>, RequestMeta),
    Bad(Reject),
    /// Nothing for [`WARM`].
    Quiet,
    End,
}

/// Which request is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The connection's first.
    First,
    /// One soon after another.
    Warm,
    /// One after [`WARM`] has passed: for ever, as in the reference.
    Idle,
}

/// Waits for the next request's head. An idle connection holds neither buffer nor exchange.
async fn next(
    sidecar: &Rc<Sidecar>,
    leg: &mut Leg,
    guard: &mut Guard,
    clocks: &mut Clocks,
    wait: Wait,
) -> Next {
    let mut x: Option<Box<Exchange>> = None;
    let mut reading = false;
    let late = &mut clocks.timeout;
    match wait {
        Wait::First => late.reset(HEAD),
        // The clock was read a moment ago, at the last response's end.
        Wait::Warm => late.reset_at(sidecar.clock.now().after(WARM)),
        Wait::Idle => late.stop(),
    }
    poll_fn(|cx| {
        let mut spare = x.take().unwrap_or_else(|| sidecar.lend_exchange());
        match leg.poll_request(cx, &mut spare.req, &LIMITS) {
            Poll::Ready(Ok(Some(meta))) => return Poll::Ready(Next::Request(spare, meta)),
            Poll::Ready(Ok(None)) => return Poll::Ready(Next::End),
            Poll::Ready(Err(HeadError::Reject(why))) => return Poll::Ready(Next::Bad(why)),
            Poll::Ready(Err(_)) => return Poll::Ready(Next::End),
            Poll::Pending => {}
        }
        if leg.buffered() > 0 {
            // Part of a head: from here on the clock is that of the head.
            if !std::mem::replace(&mut reading, true) && wait != Wait::First {
                late.reset(HEAD);
            }
            x = Some(spare);
        } else {
            sidecar.give_back_exchange(spare);
        }
        if late.poll_expired(cx).is_ready() {
            return Poll::Ready(if wait == Wait::Warm && !reading { Next::Quiet } else { Next::End });
        }
        while let Poll::Ready(phase) = guard.poll_phase(cx) {
            if phase >= Phase::Closing {
                return Poll::Ready(Next::End);
            }
        }
        Poll::Pending
    })
    .await
}

/// What Go's server says of a head that it cannot read; of what it knows, in the status line already.
fn refusal(why: Reject) -> String {
    let status = match why {
        Reject::TooLarge | Reject::TooManyHeaders => "431 Request Header Fields Too Large",
        Reject::Version => "505 HTTP Version Not Supported: unsupported protocol version",
        Reject::Encoding => "501 Not Implemented",
        Reject::NoHost => "400 Bad Request: missing required Host header",
        Reject::BadHost => "400 Bad Request: malformed Host header",
        _ => "400 Bad Request",
    };
    let body = if why == Reject::Encoding { "Unsupported transfer encoding" } else { status };
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{body}")
}

/// Lets the client read the last response: closing with unread bytes in the kernel would reset it away.
async fn linger(sidecar: &Rc<Sidecar>, leg: &mut Leg) {
    leg.shutdown();
    let mut late = sidecar.timer.after(PATIENCE);
    poll_fn(|cx| {
        if late.poll_expired(cx).is_ready() {
            return Poll::Ready(());
        }
        leg.poll_discard(cx, LINGER)
    })
    .await;
}
