//! The breaker: so many run, ten times as many wait, the rest are told so. Owns what a waiting request watches; the order of places
//! is `forebay_balance`'s.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use forebay_balance::{Gate, Permit};
use forebay_http::Client;

use super::{Clocks, Exchange, Fault};
use crate::sidecar::Sidecar;

/// A place to run; `None` where there is no breaker. On the warm path this is one atomic add.
#[inline]
pub(super) async fn enter<C: Client>(
    sidecar: &Rc<Sidecar>,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
) -> Result<Option<Permit>, Fault> {
    let Some(gate) = &sidecar.gate else { return Ok(None) };
    if let Some(permit) = gate.try_enter() {
        return Ok(Some(permit));
    }
    // Boxed: waiting is rare and its state large, and other requests should not carry room for it.
    Box::pin(wait(gate, x, clocks, client)).await.map(Some)
}

async fn wait<C: Client>(
    gate: &Arc<Gate>,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
) -> Result<Permit, Fault> {
    let held = x.req.size() as u64;
    let mut place = gate.wait(held, std::time::Instant::now()).map_err(|_| Fault::QueueFull)?;
    poll_fn(|cx| {
        if let Poll::Ready(permit) = Pin::new(&mut place).poll(cx) {
            return Poll::Ready(Ok(permit));
        }
        if clocks.poll(cx).is_ready() {
            return Poll::Ready(Err(Fault::Late));
        }
        client.poll_gone(cx).map(|_| Err(Fault::Gone))
    })
    .await
}
