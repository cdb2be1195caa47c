//! An upgraded connection: bytes both ways until both sides are done. Knows nothing of what they mean.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use forebay_http::Flow;
use forebay_net::{Guard, Phase};
use forebay_route::Matched;
use forebay_telemetry::Http;

use super::Client;
use super::state::Exchange;
use super::{After, Answered, headers, record, relay, websocket};
use crate::conn::Listening;
use crate::worker::Worker;

/// Answers 101 (in HTTP/2: 200) and joins the two connections. The upgraded connection keeps its slot and its clocks: Knative's
/// `timeoutSeconds` ends it as it ends any request.
pub(super) async fn run<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    matched: &Matched<'_>,
    x: &mut Exchange,
    client: &mut C,
    answered: &mut Answered,
) -> After {
    let protocol = x.res.get(b"upgrade").unwrap_or(&x.upgrade).to_vec();
    x.res.strip_hop_by_hop();
    headers::response(worker, x, matched);
    let http = on.http();
    if let Some(chain) = &http.filters {
        chain.response(worker, Some(matched), x);
    }
    x.res.push(b"connection", b"upgrade");
    x.res.push(b"upgrade", &protocol);
    websocket::answer(x);
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
    // Held against the drain: an upgraded connection may go on until the cut.
    let mut guard = worker.drain.guard();
    poll_fn(|cx| {
        let before = there.bytes + back.bytes;
        if there.poll(cx, client, leg).is_ready() && !closed_there {
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
    (x.bytes_in, x.bytes_out) = (there.bytes, back.bytes);
    record::finish(worker, x);
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
