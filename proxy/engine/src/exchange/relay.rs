//! The response's way back: head rewritten, bodies relayed both ways until the response is whole. Knows no retries: once the
//! client has seen a byte there are none.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_http::h1::{BodyError, Framing, Gone, Persist};
use forebay_http::{Flow, Head, Known, Source, Up, Version, Wrong};
use forebay_net::Timeout;
use forebay_route::Matched;
use forebay_telemetry::log::Flag;
use forebay_telemetry::{Cluster, Http};

use super::attempt::{Tried, h2_fault};
use super::state::Exchange;
use super::{After, Answered, Client, Left, hygiene, record, tunnel};
use crate::conn::Listening;
use crate::fault::Fault;
use crate::worker::Worker;

/// How long a response to a client that closed its sending half may make no progress before the client is taken for gone.
/// Long enough for a half-closed client's answer to be computed, short enough that an abandoned stream does not hold a slot.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// Delivers the response on `answered`.
pub(super) async fn response<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    matched: &Matched<'_>,
    x: &mut Exchange,
    client: &mut C,
    answered: &mut Answered,
) -> After {
    x.status = x.res.status;
    x.details = "via_upstream";
    x.clocks.began();
    tell(worker, x);
    if opens_tunnel(x) {
        return Box::pin(tunnel::run(worker, on, matched, x, client, answered)).await;
    }
    if on.http().manager.envoy_headers && request_ended(x) {
        hygiene::service_time(x);
    }
    hygiene::response(worker, on, Some(matched), x);
    if x.res.status == 204 {
        // It has no body, so what it says of one is nothing (RFC 9110 8.6).
        x.res.remove_known(Known::ContentLength);
    }
    let bodiless = x.req.is_head() || matches!(x.res.status, 204 | 304);
    let framing = match answered.tried.framing {
        _ if x.req.is_head() && !matches!(x.res.status, 204 | 304) => Framing::Unsent,
        Framing::None if bodiless => Framing::None,
        Framing::None => Framing::Length(0),
        Framing::Length(n) => Framing::Length(n),
        Framing::Unsent => Framing::Unsent,
        Framing::Chunked | Framing::Close if x.req.version == Version::H10 => Framing::Close,
        Framing::Chunked | Framing::Close => Framing::Chunked,
    };
    let keep = x.asked.keep_alive && framing != Framing::Close && !x.sends_away(worker);
    let persist = persist(keep, x);
    if client.respond(&x.res, framing, persist, x.req.version).is_err() {
        return gone(worker, x, client);
    }
    let mut down = Flow::default();
    let relayed = relay(worker, x, client, answered, &mut down).await;
    x.upstream_wire = answered.tried.up.wire();
    match relayed {
        Ok(()) => {
            x.bytes_out = down.bytes;
            if on.http().keeps_trailers
                && let Some(trailers) = answered.tried.up.trailers()
            {
                let mut kept = Box::<Head>::default();
                trailers.iter().for_each(|(name, value, _)| kept.push(name, value));
                x.trailers = Some(kept);
            }
            record::done(worker, x, client);
            if !client.has_read_all() {
                on.http().stats.inc(Http::DownstreamRqResponseBeforeRqComplete);
                return After::Close;
            }
            if keep { After::KeepAlive } else { After::Close }
        }
        Err(fault) => {
            x.bytes_out = down.bytes;
            cut_short(worker, on, x, client, answered, fault).await
        }
    }
}

/// Whether the answer is a yes to a tunnel.
fn opens_tunnel(x: &Exchange) -> bool {
    match x.req.is_connect() {
        true => (200..300).contains(&x.res.status),
        false => x.res.status == 101,
    }
}

/// Whether the request came to an end before its answer did: one for a tunnel does not, but in HTTP/2 it may.
fn request_ended(x: &Exchange) -> bool {
    !x.asked.upgrade || (x.req.version == Version::H2 && !opens_tunnel(x))
}

/// Tells the client what it took: tries, where the route says so, and the endpoint's time. A revision's caller reads that in
/// `server-timing`.
fn tell(worker: &Worker, x: &mut Exchange) {
    let mut digits = itoa::Buffer::new();
    if let (false, true, Some(end)) = (x.clocks.tells, request_ended(x), x.times.request_end) {
        let took = x.times.first_byte.unwrap_or_else(|| x.elapsed(worker)).saturating_sub(end);
        x.res.set_known(Known::EnvoyServiceTime, digits.format(took / 1000).as_bytes());
    }
    if x.counts_tries {
        x.res.set_known(Known::EnvoyAttemptCount, digits.format(x.attempts).as_bytes());
    }
}

/// What the head says about the connection.
pub(super) fn persist(keep: bool, x: &mut Exchange) -> Persist {
    x.closes = !keep && x.req.version != Version::H2;
    match (keep, x.req.version) {
        (true, Version::H10) => Persist::KeepAlive,
        (true, _) => Persist::Default,
        (false, _) => Persist::Close,
    }
}

/// Moves both bodies until the response's end has reached the client.
async fn relay<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    answered: &mut Answered,
    down: &mut Flow,
) -> Result<(), Fault> {
    let Answered { tried: Tried { up, .. }, upload, .. } = answered;
    let mut half_closed: Option<(Timeout, u64)> = None;
    poll_fn(|cx| {
        let before = down.bytes;
        match down.poll(cx, up, client) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(Wrong::Source(error))) => return Poll::Ready(Err(broken_off(&error))),
            Poll::Ready(Err(Wrong::Sink(_))) => return Poll::Ready(Err(Fault::ClientGone)),
            Poll::Pending => {}
        }
        let mut moved = down.bytes != before;
        if !upload.is_done() {
            match upload.poll(cx, &mut x.body, client, up) {
                Ok(more) => moved |= more,
                Err(_) => return Poll::Ready(Err(Fault::ClientGone)),
            }
            x.bytes_in = x.body.received;
            if upload.is_done() {
                x.clocks.request_came(worker);
            }
        }
        if moved {
            x.clocks.moved();
        }
        if let Poll::Ready(fault) = x.clocks.poll(cx) {
            return Poll::Ready(Err(fault));
        }
        if client.has_read_all() {
            match &mut half_closed {
                None => match client.poll_gone(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Gone::Broken) => return Poll::Ready(Err(Fault::ClientGone)),
                    Poll::Ready(Gone::HalfClosed) => {
                        let mut timeout = worker.timer.after(HALF_CLOSED);
                        let _ = timeout.poll_expired(cx);
                        half_closed = Some((timeout, down.bytes));
                    }
                },
                Some((timeout, at)) => {
                    if client.is_broken() {
                        return Poll::Ready(Err(Fault::ClientGone));
                    }
                    if timeout.poll_expired(cx).is_ready() {
                        if *at == down.bytes {
                            return Poll::Ready(Err(Fault::ClientGone));
                        }
                        *at = down.bytes;
                        timeout.reset(HALF_CLOSED);
                        let _ = timeout.poll_expired(cx);
                    }
                }
            }
        }
        Poll::Pending
    })
    .await
}

/// What a response's body that does not reach its end is: over HTTP/1 a message that is not whole breaks the protocol, however
/// it was cut.
fn broken_off(error: &BodyError) -> Fault {
    match error {
        BodyError::H2(error) => h2_fault(error),
        BodyError::Truncated | BodyError::Io(_) | BodyError::Chunk(_) | BodyError::Mismatch => {
            Fault::UpstreamProtocol
        }
    }
}

/// The response cannot be completed: the client must not take what it has for the whole.
async fn cut_short<C: Client>(
    worker: &Rc<Worker>,
    on: &Listening,
    x: &mut Exchange,
    client: &mut C,
    answered: &mut Answered,
    fault: Fault,
) -> After {
    if let Up::H2(stream) = &mut answered.tried.up {
        stream.reset();
    }
    if let Some(tie) = &mut answered.tried.tie {
        tie.owner.broke(matches!(fault, Fault::UpstreamReset | Fault::UpstreamProtocol));
    }
    if fault == Fault::ClientGone {
        answered.state.stats(&worker.stats).inc(Cluster::UpstreamRqCancelled);
        return gone(worker, x, client);
    }
    on.http().stats.inc(Http::RqResetAfterDownstreamResponseStarted);
    super::count(&on.http().stats, fault);
    fault.reply().flag.into_iter().for_each(|flag| x.flags.set(flag));
    x.details = match fault {
        Fault::UpstreamReset => "upstream_reset_after_response_started{connection_termination}",
        Fault::UpstreamProtocol => "upstream_reset_after_response_started{protocol_error}",
        Fault::UpstreamRemoteReset => "upstream_reset_after_response_started{remote_reset}",
        Fault::UpstreamRefused => "upstream_reset_after_response_started{remote_refused_stream_reset}",
        other => other.reply().details,
    };
    // What has been relayed is the client's: a head that waits for its first piece of body goes out.
    let _ = poll_fn(|cx| Poll::Ready(client.poll_flush(cx))).await;
    client.abort();
    record::done(worker, x, client);
    After::Close
}

/// Nobody is left to answer.
pub(super) fn gone<C: Client>(worker: &Rc<Worker>, x: &mut Exchange, client: &mut C) -> After {
    let (flag, details) = match client.left() {
        Left::Connection => (Flag::DownstreamConnectionTermination, "downstream_remote_disconnect"),
        Left::Reset => (Flag::DownstreamRemoteReset, "http2.remote_reset"),
        Left::Refused => (Flag::DownstreamRemoteReset, "http2.remote_refuse"),
        Left::Broken => (Flag::DownstreamProtocolError, "http2.remote_reset"),
    };
    x.flags.set(flag);
    x.details = details;
    client.abort();
    record::done(worker, x, client);
    After::Close
}

/// Flushes what a leg holds, for those who write a whole response at once.
pub(super) async fn flush<C: Client>(client: &mut C) -> std::io::Result<()> {
    poll_fn(|cx| client.poll_flush(cx)).await
}
