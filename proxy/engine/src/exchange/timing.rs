//! The clocks that run for one exchange. Knows no sockets.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_model::Revision;
use forebay_net::{Micros, Timeout};
use forebay_route::{Matched, Picked};

use crate::fault::Fault;
use crate::worker::Worker;

/// The deadline of a clock that does not run.
const OFF: Micros = Micros(u64::MAX);

/// Which clocks run, and until when.
pub(crate) struct Clocks {
    total: Micros,
    start: Micros,
    idle: Micros,
    idle_after: Duration,
    /// One for all: set for the nearest deadline, and moved on when it fires for a clock that was moved or stopped.
    alarm: Option<Timeout>,
    /// How long the request may wait for a slot.
    pub(crate) wait: Duration,
    /// Whether the response says where the time went.
    pub(crate) tells: bool,
}

impl Default for Clocks {
    fn default() -> Self {
        Self {
            total: OFF,
            start: OFF,
            idle: OFF,
            idle_after: Duration::ZERO,
            alarm: None,
            wait: Duration::ZERO,
            tells: false,
        }
    }
}

impl Clocks {
    /// The revision's clocks (facts of its cluster), else the route's, for a request that `began` then.
    pub(crate) fn new(
        worker: &Worker,
        began: Micros,
        revision: Option<&Revision>,
        matched: &Matched<'_>,
    ) -> Self {
        let route = match matched.action {
            Picked::Forward { forward, .. } => forward,
            _ => return Self::default(),
        };
        let until = |after: Duration| if after.is_zero() { OFF } else { began.after(after) };
        let route_total = route.timeout.unwrap_or_default();
        let route_idle = route.idle_timeout.unwrap_or_default();
        let mut clocks = match revision {
            None => Self { total: until(route_total), idle_after: route_idle, ..Self::default() },
            Some(revision) => Self {
                total: until(shorter(revision.timeout, route_total)),
                start: until(revision.response_start_timeout),
                idle_after: shorter(revision.idle_timeout, route_idle),
                wait: revision.wait_timeout,
                tells: true,
                ..Self::default()
            },
        };
        clocks.idle = until(clocks.idle_after);
        let nearest = clocks.nearest();
        clocks.alarm = (nearest != OFF).then(|| worker.timer.at(nearest));
        clocks
    }

    /// Ready with the fault of the first clock that ran out.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        while let Some(alarm) = &mut self.alarm {
            ready!(alarm.poll_expired(cx));
            let now = alarm.clock().now();
            for (until, fault) in [
                (self.total, Fault::Timeout),
                (self.start, Fault::ResponseStartLate),
                (self.idle, Fault::Idle),
            ] {
                if now >= until {
                    return Poll::Ready(fault);
                }
            }
            let nearest = self.nearest();
            match &mut self.alarm {
                Some(alarm) if nearest != OFF => alarm.reset_at(nearest),
                alarm => *alarm = None,
            }
        }
        Poll::Pending
    }

    /// The response began: its own clock stops.
    pub(crate) fn began(&mut self) {
        self.start = OFF;
    }

    /// Something moved.
    pub(crate) fn moved(&mut self) {
        if self.idle != OFF
            && let Some(alarm) = &self.alarm
        {
            self.idle = alarm.clock().tick().after(self.idle_after);
        }
    }

    /// The exchange is over.
    pub(crate) fn stop(&mut self) {
        self.alarm = None;
    }

    fn nearest(&self) -> Micros {
        self.total.min(self.start).min(self.idle)
    }
}

/// Zero is no limit.
fn shorter(a: Duration, b: Duration) -> Duration {
    match (a.is_zero(), b.is_zero()) {
        (true, _) => b,
        (_, true) => a,
        _ => a.min(b),
    }
}
