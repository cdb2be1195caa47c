//! An upgraded connection: bytes both ways until both sides are done. Knows nothing of what they mean.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use forebay_http::{Flow, Known, Version};
use forebay_net::{Guard, Phase};
use forebay_route::Matched;
use forebay_telemetry::Http;
use forebay_telemetry::log::Flag;

use super::Client;
use super::state::Exchange;
use super::{After, Answered, hygiene, record, relay, websocket};
use crate::conn::Listening;
use crate::worker::Worker;

/// Answers 101 (in HTTP/2, and to CONNECT: 200) and joins the two connections. The upgraded connection keeps its slot and its clocks: Knative's
/// `timeoutSeconds` ends it as it ends any request.
pub(super) async fn run<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    matched: &Matched<'_>,
    x: &mut Exchange,
    client: &mut C,
    answered: &mut Answered,
) -> After {
    let protocol = x.res.get(b"upgrade").unwrap_or(&x.said.1).to_vec();
    hygiene::response(worker, on, Some(matched), x);
    if x.req.is_connect() {
        x.res.remove_known(Known::ContentLength);
    } else {
        x.res.push(b"connection", b"upgrade");
        x.res.push(b"upgrade", &protocol);
        websocket::answer(x);
    }
    let leg = &mut answered.tried.up;
    if client.open_tunnel(&x.res).is_err() {
        return relay::gone(worker, x, client);
    }
    leg.tunnel();
    x.clocks.upgraded();
    let stats = &on.http().stats;
    stats.inc(Http::DownstreamCxUpgradesTotal);
    stats.inc(Http::DownstreamCxUpgradesActive);
    let (mut there, mut back) = (Flow::default(), Flow::default());
    let (mut closed_there, mut closed_back) = (false, false);
    let mut client_first = false;
    // Held against the drain: an upgraded connection may go on until the cut.
    let mut guard = worker.drain.guard();
    poll_fn(|cx| {
        let before = there.bytes + back.bytes;
        if there.poll(cx, client, leg).is_ready() && !closed_there {
            client_first = !closed_back;
            leg.shutdown();
            closed_there = true;
        }
        if back.poll(cx, leg, client).is_ready() && !closed_back {
            client.shutdown();
            closed_back = true;
        }
        if there.bytes + back.bytes != before {
            x.clocks.moved();
        }
        if (closed_there && closed_back) || x.clocks.poll(cx).is_ready() || cut(&mut guard, cx) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    on.http().stats.dec(Http::DownstreamCxUpgradesActive);
    // What came as the request's body was the tunnel's first words.
    (x.bytes_in, x.bytes_out) = (x.body.received + there.bytes, back.bytes);
    if client_first && x.req.version != Version::H2 {
        // A stream of HTTP/2 ends; a connection of HTTP/1 that does is one that its client has left.
        x.flags.set(Flag::DownstreamConnectionTermination);
        x.details = "downstream_remote_disconnect";
    }
    record::done(worker, x, client);
    answered.tried.keep_alive = false;
    After::Close
}

/// Whether the drain has come to its end.
fn cut(guard: &mut Guard, cx: &mut Context<'_>) -> bool {
    while let Poll::Ready(phase) = guard.poll_phase(cx) {
        if phase == Phase::Cut {
            return true;
        }
    }
    guard.phase() == Phase::Cut
}
