//! An HTTP/1.1 connection: requests one after the other until somebody has had enough. Knows no request's meaning.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_http::h1::{HeadError, Leg, RequestMeta};
use forebay_model::{HeaderCase, HttpManager};
use forebay_net::{Guard, Phase, Stream, Timeout};
use forebay_telemetry::Http;

use super::arrive::{Open, Served};
use super::{LINGER, Leaves, Listening};
use crate::exchange::{After, Asked, Exchange, Peer, refuse, run};
use crate::fault::Fault;
use crate::worker::Worker;

/// How long a connection keeps the room of a request after one: a client that asks again within it costs no allocation, and
/// one that is idle for longer holds nothing. Seconds, so that it is rarely paid twice.
const WARM: Duration = Duration::from_secs(1);

/// The connection to its end. What it holds while it idles is in here once: what an `async fn` is given, its future holds beside
/// what it is moved to.
pub(super) fn serve(
    worker: Rc<Worker>,
    on: Rc<Listening>,
    peer: Peer,
    stream: Stream,
    leaves: Leaves,
    open: Open,
) -> Served {
    let stats = on.http().stats.clone();
    stats.inc(Http::DownstreamCxHttp1Total);
    stats.inc(Http::DownstreamCxHttp1Active);
    let mut leg = Leg::new(stream, worker.buffers.clone(), None);
    leg.write_proper_case(on.http().manager.header_case == HeaderCase::Proper);
    let mut life = Life::new(&worker, leaves);
    Box::pin(async move {
        let mut wait = Wait::First;
        loop {
            match next(&worker, &on, &mut leg, &mut life, wait).await {
                Next::End => break,
                // Boxed, so that an idle connection carries no room for it.
                next => match Box::pin(busy(&worker, &on, &peer, &mut leg, &mut life, next)).await {
                    After::KeepAlive => wait = Wait::Idle,
                    After::Close => break,
                },
            }
        }
        stats.dec(Http::DownstreamCxHttp1Active);
        drop(open);
    })
}

/// Answers requests until there is none for a while, or no more at all.
async fn busy(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    leg: &mut Leg,
    life: &mut Life,
    mut next: Next,
) -> After {
    loop {
        let (x, after) = match next {
            Next::Request(mut x, meta) => {
                on.http().stats.inc(Http::DownstreamRqHttp1Total);
                let asked = Asked {
                    framing: meta.framing,
                    keep_alive: meta.keep_alive && !life.is_over(worker, on),
                    expects_continue: meta.expects_continue,
                    upgrade: meta.upgrade,
                };
                let after = run(worker, on, peer, asked, &mut x, leg).await;
                (x, after)
            }
            Next::Bad(mut x, fault) => {
                let after = Box::pin(refuse(worker, on, peer, fault, &mut x, leg)).await;
                (x, after)
            }
            Next::Quiet => return After::KeepAlive,
            Next::End => return After::Close,
        };
        worker.give_back_exchange(x);
        if after == After::Close {
            if leg.has_sent_all() && !leg.is_idle() {
                Box::pin(linger(worker, on, leg)).await;
            }
            return After::Close;
        }
        next = self::next(worker, on, leg, life, Wait::Warm).await;
    }
}

/// How long a connection lives when nothing is wrong with it.
struct Life {
    guard: Guard,
    idle: Timeout,
    /// Requests so far.
    served: u32,
    leaves: Leaves,
    /// It has been counted why.
    counted: bool,
}

impl Life {
    fn new(worker: &Worker, leaves: Leaves) -> Self {
        worker.clock.tick();
        Self { guard: worker.drain.guard(), idle: worker.timer.never(), served: 0, leaves, counted: false }
    }

    /// Whether the request that has just come is the last one.
    #[inline]
    fn is_over(&mut self, worker: &Worker, on: &Listening) -> bool {
        self.served += 1;
        let most = on.http().manager.max_requests_per_connection;
        (self.leaves.0.is_some() || most.is_some()) && self.has_had_enough(worker, on, most)
    }

    #[cold]
    fn has_had_enough(&mut self, worker: &Worker, on: &Listening, most: Option<u32>) -> bool {
        let by_number = most.is_some_and(|most| self.served >= most);
        let by_time = self.leaves.have_come(worker.clock.tick());
        if (by_number || by_time) && !std::mem::replace(&mut self.counted, true) {
            on.http().stats.inc(if by_number {
                Http::DownstreamCxMaxRequestsReached
            } else {
                Leaves::why(worker)
            });
        }
        by_number || by_time
    }

    /// The clock of a connection without a request. One that was told to go, or is about to be, gets a moment for a request
    /// that may be on its way; one that has asked for nothing yet does not.
    fn arm_idle(&mut self, worker: &Worker, on: &Listening, limit: Duration, wait: Wait) {
        arm(worker, &mut self.idle, limit);
        if let Some(at) = self.leaves.0 {
            let moment = if wait == Wait::First { Duration::ZERO } else { on.http().manager.drain_timeout };
            let end = at.after(moment);
            if self.idle.deadline().is_none_or(|deadline| end < deadline) {
                self.idle.reset_at(end);
            }
        }
    }
}

/// What a connection brings next.
enum Next {
    Request(Box<Exchange>, RequestMeta),
    Bad(Box<Exchange>, Fault),
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
    /// One after [`WARM`] has passed.
    Idle,
}

/// Waits for the next request's head. An idle connection holds neither buffer nor exchange.
async fn next(worker: &Rc<Worker>, on: &Rc<Listening>, leg: &mut Leg, life: &mut Life, wait: Wait) -> Next {
    let mut x: Option<Box<Exchange>> = None;
    let mut reading = false;
    let mut late = Fault::HeadersLate;
    let limits = on.http().limits;
    // The clock was read a moment ago, at the last response's end or just now for a new connection.
    let limit = on.http().manager.idle_timeout;
    let quiet = wait == Wait::Warm && (limit.is_zero() || limit > WARM);
    let limit_now = match wait {
        Wait::Warm if quiet => WARM,
        // What is left of it: the warm second has passed already, and the clock has not been read since.
        Wait::Idle if !limit.is_zero() => {
            worker.clock.tick();
            limit.saturating_sub(WARM).max(Duration::from_millis(1))
        }
        _ => limit,
    };
    life.arm_idle(worker, on, limit_now, wait);
    let next = poll_fn(|cx| {
        let mut spare = x.take().unwrap_or_else(|| worker.lend_exchange());
        match leg.poll_request(cx, &mut spare.req, &limits) {
            Poll::Ready(Ok(Some(meta))) => return Poll::Ready(Next::Request(spare, meta)),
            Poll::Ready(Ok(None)) => return Poll::Ready(Next::End),
            Poll::Ready(Err(HeadError::Reject(why))) => {
                return Poll::Ready(Next::Bad(spare, Fault::Head(why)));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(Next::End),
            Poll::Pending => {}
        }
        if leg.buffered() > 0 {
            // Part of a head: from here on the clock is that of the head.
            if !reading {
                reading = true;
                let (head, fault) = head_clock(&on.http().manager);
                late = fault;
                if quiet || !head.is_zero() || life.leaves.0.is_some() {
                    worker.clock.tick();
                    arm(worker, &mut life.idle, if head.is_zero() { limit } else { head });
                }
            }
            x = Some(spare);
        } else {
            worker.give_back_exchange(spare);
        }
        while let Poll::Ready(phase) = life.guard.poll_phase(cx) {
            // While draining, a connection is told to go by its next answer: closing an idle one could cross with a request
            // on its way here.
            if phase >= Phase::Closing {
                return Poll::Ready(Next::End);
            }
            if life.leaves.drain(worker, on) && x.is_none() {
                life.arm_idle(worker, on, limit_now, wait);
            }
        }
        if life.idle.poll_expired(cx).is_ready() {
            if let Some(spare) = x.take() {
                return Poll::Ready(Next::Bad(spare, late));
            }
            if life.leaves.have_come(worker.clock.now()) {
                life.has_had_enough(worker, on, None);
                return Poll::Ready(Next::End);
            }
            if quiet {
                return Poll::Ready(Next::Quiet);
            }
            on.http().stats.inc(Http::DownstreamCxIdleTimeout);
            return Poll::Ready(Next::End);
        }
        Poll::Pending
    })
    .await;
    // It stays registered through the exchange: moving it on afterwards is one store, and should it fire meanwhile, the task
    // is polled once for nothing.
    next
}

/// The clock of a head that has begun to come, and what it says when it runs out; zero is none.
fn head_clock(manager: &HttpManager) -> (Duration, Fault) {
    [
        (manager.request_headers_timeout, Fault::HeadersLate),
        (manager.request_timeout, Fault::RequestLate),
        (manager.stream_idle_timeout, Fault::IdleRequest),
    ]
    .into_iter()
    .filter(|(limit, _)| !limit.is_zero())
    .min_by_key(|(limit, _)| *limit)
    .unwrap_or((Duration::ZERO, Fault::HeadersLate))
}

fn arm(worker: &Worker, timeout: &mut Timeout, limit: Duration) {
    if limit.is_zero() { timeout.stop() } else { timeout.reset_at(worker.clock.now().after(limit)) }
}

/// Lets the client read the last response: closing with unread bytes in the kernel would reset it away.
async fn linger(worker: &Rc<Worker>, on: &Rc<Listening>, leg: &mut Leg) {
    let patience = on.http().manager.delayed_close_timeout;
    if patience.is_zero() {
        return;
    }
    leg.shutdown();
    let mut late = worker.timer.after(patience);
    poll_fn(|cx| {
        if late.poll_expired(cx).is_ready() {
            return Poll::Ready(());
        }
        leg.poll_discard(cx, LINGER)
    })
    .await;
}
