//! Admission: run now, wait, or be refused. Owns what a waiting request watches (its place, its client, its clocks); the order
//! of places is `forebay_balance`'s.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_balance::{Full, Permit};
use forebay_http::Version;
use forebay_http::h1::Gone;
use forebay_net::Timeout;
use forebay_telemetry::{Cluster, ClusterTime};

use super::Client;
use super::state::Exchange;
use crate::config::ClusterState;
use crate::fault::Fault;
use crate::worker::Worker;

/// A slot of the revision; `None` for a cluster without a waiting room. On the warm path this is one atomic add.
#[inline]
pub(super) async fn admit<C: Client>(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Option<Permit>, Fault> {
    let cluster = state.now();
    if cluster.config.revision.is_none() {
        return Ok(None);
    }
    if let Some(permit) = cluster.gate.try_enter() {
        return Ok(Some(permit));
    }
    // Boxed: waiting is rare and its state large, and idle connections should not carry room for it.
    Box::pin(wait(worker, state, x, client)).await.map(Some)
}

async fn wait<C: Client>(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Permit, Fault> {
    let cluster = state.now();
    let stats = state.stats(&worker.stats);
    let held = (x.req.size() + x.body.len() + client.buffered()) as u64;
    let cold = cluster.endpoints.is_empty();
    let mut place = cluster.gate.wait(held, std::time::Instant::now()).map_err(|full| {
        stats.inc(Cluster::UpstreamRqPendingOverflow);
        let (counter, fault) = match full {
            Full::Count { .. } => (Cluster::WaitRefusedCount, Fault::RoomFull),
            Full::Bytes { .. } => (Cluster::WaitRefusedBytes, Fault::RoomBytes),
        };
        stats.inc(counter);
        fault
    })?;
    stats.inc(Cluster::WaitTotal);
    stats.inc(Cluster::Waiting);
    if cold {
        stats.inc(Cluster::ColdStart);
    }
    let _waiting = Leaving(|| stats.dec(Cluster::Waiting));
    worker.tell_waiting(state);

    let begun = worker.clock.tick();
    let left = x.clocks.wait.saturating_sub(Duration::from_micros(x.times.waited.map_or(0, |(us, _)| us)));
    let mut late = worker.timer.after(left);
    let mut watch = Watch::default();
    let outcome = poll_fn(|cx| {
        if let Poll::Ready(permit) = Pin::new(&mut place).poll(cx) {
            return Poll::Ready(Ok(permit));
        }
        if let Poll::Ready(fault) = x.clocks.poll(cx) {
            return Poll::Ready(Err(fault));
        }
        if late.poll_expired(cx).is_ready() {
            return Poll::Ready(Err(Fault::WaitedTooLong));
        }
        watch.poll(cx, worker, client, x.req.version).map(|()| Err(Fault::ClientGone))
    })
    .await;
    let waited = worker.clock.tick().since(begun);
    let before = x.times.waited.map_or(0, |(us, _)| us);
    x.times.waited = Some((before + waited, cold));
    stats.record(ClusterTime::Wait, waited);
    stats.inc(match &outcome {
        Ok(_) => Cluster::WaitAdmitted,
        Err(Fault::ClientGone) => Cluster::WaitCancelled,
        Err(_) => Cluster::WaitTimeout,
    });
    outcome
}

struct Leaving<F: FnMut()>(F);

impl<F: FnMut()> Drop for Leaving<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// How long a client that closed its sending half is waited with before it is asked whether it is there: an answer that comes
/// sooner needs no question, and a place is not held for much longer than that.
const ASK_AFTER: Duration = Duration::from_millis(20);

/// First pause before the answer to the question is looked for: a reset takes a round trip.
const LOOK_AFTER: Duration = Duration::from_millis(5);

/// Watches a client that has nothing to do but wait.
///
/// A client that closed its sending half may still want its answer, or may be gone; TCP does not tell. An interim `100
/// Continue`, which every HTTP/1.1 client must take at any time (RFC 9110 15.2), makes the kernel of one that is gone say so:
/// it answers with a reset. HTTP/1.0 clients cannot be asked; they are taken for waiting.
#[derive(Default)]
pub(crate) enum Watch {
    #[default]
    Open,
    /// Half closed; asks when the time has come.
    HalfClosed(Timeout),
    /// Asked; looks for the reset after a growing while.
    Asked { next: Timeout, after: Duration },
    /// Cannot be asked.
    Trusted,
}

impl Watch {
    /// Ready when the client is gone.
    pub(crate) fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        client: &mut C,
        version: Version,
    ) -> Poll<()> {
        loop {
            match self {
                Watch::Open => match client.poll_gone(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Gone::Broken) => return Poll::Ready(()),
                    Poll::Ready(Gone::HalfClosed) if version == Version::H10 => *self = Watch::Trusted,
                    Poll::Ready(Gone::HalfClosed) => {
                        *self = Watch::HalfClosed(worker.timer.after(ASK_AFTER));
                    }
                },
                Watch::HalfClosed(ask) => {
                    if ask.poll_expired(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let mut interim = forebay_http::Head::default();
                    interim.status = 100;
                    if client.inform(&interim).is_err()
                        || matches!(client.poll_flush(cx), Poll::Ready(Err(_)))
                    {
                        return Poll::Ready(());
                    }
                    *self = Watch::Asked { next: worker.timer.after(LOOK_AFTER), after: LOOK_AFTER };
                }
                Watch::Asked { next, after } => {
                    if client.is_broken() {
                        return Poll::Ready(());
                    }
                    if next.poll_expired(cx).is_pending() {
                        return Poll::Pending;
                    }
                    // After a second or so of silence the client is one that waits.
                    *after = (*after * 4).min(Duration::from_secs(1));
                    next.reset(*after);
                }
                Watch::Trusted => return Poll::Pending,
            }
        }
    }
}
