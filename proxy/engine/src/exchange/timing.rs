//! The clocks that run for one exchange. Knows no sockets.

use std::task::{Context, Poll};
use std::time::Duration;

use forebay_model::Revision;
use forebay_net::Timeout;
use forebay_route::{Matched, Picked};

use crate::fault::Fault;
use crate::worker::Worker;

/// Which clocks run, and from when.
#[derive(Default)]
pub(crate) struct Clocks {
    total: Option<Timeout>,
    start: Option<Timeout>,
    idle: Option<Timeout>,
    idle_after: Duration,
    /// How long the request may wait for a slot.
    pub(crate) wait: Duration,
    /// Whether the response says where the time went.
    pub(crate) tells: bool,
}

impl Clocks {
    /// The revision's clocks (facts of its cluster), else the route's.
    pub(crate) fn new(worker: &Worker, revision: Option<&Revision>, matched: &Matched<'_>) -> Self {
        let arm = |after: Duration| (!after.is_zero()).then(|| worker.timer.after(after));
        let route = match matched.action {
            Picked::Forward { forward, .. } => forward,
            _ => return Self::default(),
        };
        let route_total = route.timeout.unwrap_or_default();
        let route_idle = route.idle_timeout.unwrap_or_default();
        let Some(revision) = revision else {
            return Self {
                total: arm(route_total),
                idle: arm(route_idle),
                idle_after: route_idle,
                ..Self::default()
            };
        };
        let shorter = |a: Duration, b: Duration| match (a.is_zero(), b.is_zero()) {
            (true, _) => b,
            (_, true) => a,
            _ => a.min(b),
        };
        let idle = shorter(revision.idle_timeout, route_idle);
        Self {
            total: arm(shorter(revision.timeout, route_total)),
            start: arm(revision.response_start_timeout),
            idle: arm(idle),
            idle_after: idle,
            wait: revision.wait_timeout,
            tells: true,
        }
    }

    /// Ready with the fault of the first clock that ran out before the response began.
    #[inline]
    pub(crate) fn poll_before(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        for (clock, fault) in [
            (&mut self.total, Fault::Timeout),
            (&mut self.start, Fault::ResponseStartLate),
            (&mut self.idle, Fault::Idle),
        ] {
            if let Some(clock) = clock
                && clock.poll_expired(cx).is_ready()
            {
                return Poll::Ready(fault);
            }
        }
        Poll::Pending
    }

    /// The response began: its own clock stops.
    pub(crate) fn began(&mut self) {
        self.start = None;
    }

    /// Something moved.
    pub(crate) fn moved(&mut self) {
        if let Some(idle) = &mut self.idle {
            idle.reset(self.idle_after);
        }
    }

    /// The same once the response is on its way.
    #[inline]
    pub(crate) fn poll_during(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        for (clock, fault) in [(&mut self.total, Fault::Timeout), (&mut self.idle, Fault::Idle)] {
            if let Some(clock) = clock
                && clock.poll_expired(cx).is_ready()
            {
                return Poll::Ready(fault);
            }
        }
        Poll::Pending
    }
}
