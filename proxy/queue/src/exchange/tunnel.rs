//! An upgraded connection: bytes both ways until both sides are done or a clock ends it. Knows nothing of what they mean.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use forebay_http::{Client, Flow, Known};
use forebay_net::Phase;

use super::forward::Answered;
use super::{After, Clocks, Exchange};
use crate::sidecar::Sidecar;

/// Answers 101 and joins the two connections. The upgraded connection keeps its place and its clocks; its bytes are no writes to
/// them, so that the clocks of start and idleness end it when they first run out, as in the reference.
pub(super) async fn run<C: Client>(
    sidecar: &Rc<Sidecar>,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
    answered: &mut Answered,
) -> After {
    let protocol = x.res.get(b"upgrade").unwrap_or(&x.upgrade).to_vec();
    x.res.strip_hop_by_hop();
    x.res.push(Known::Connection.name(), b"Upgrade");
    x.res.push(Known::Upgrade.name(), &protocol);
    answered.use_up();
    x.status = 101;
    if client.open_tunnel(&x.res).is_err() {
        return After::Close;
    }
    let app = &mut answered.up;
    app.tunnel();
    let (mut there, mut back) = (Flow::default(), Flow::default());
    let (mut closed_there, mut closed_back) = (false, false);
    // The end waits for it, and no longer than it has patience.
    let mut guard = sidecar.drain.guard();
    poll_fn(|cx| {
        if there.poll(cx, client, app).is_ready() && !closed_there {
            app.shutdown();
            closed_there = true;
        }
        if back.poll(cx, app, client).is_ready() && !closed_back {
            client.shutdown();
            closed_back = true;
        }
        while let Poll::Ready(phase) = guard.poll_phase(cx) {
            if phase == Phase::Cut {
                return Poll::Ready(());
            }
        }
        if (closed_there && closed_back) || clocks.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
    After::Close
}
