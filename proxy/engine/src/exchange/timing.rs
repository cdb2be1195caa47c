//! The clocks that run for one exchange. Knows no sockets.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_model::{HttpManager, Revision};
use forebay_net::{Micros, Timeout};
use forebay_route::Forward;

use super::wishes::Wishes;
use crate::fault::Fault;
use crate::worker::Worker;

/// The deadline of a clock that does not run.
const OFF: Micros = Micros(u64::MAX);

/// The clocks, in the order in which they are asked when several have run out.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// The whole: a route's from the end of the request, a revision's from its beginning.
    Total,
    /// A revision's, until the response begins.
    Start,
    /// One try, until the response begins.
    Try,
    /// Nothing moves within one try.
    TryIdle,
    /// The cluster's, from the beginning of a try to the end of its response.
    Upstream,
    /// From the request's first byte to the response's last.
    Stream,
    /// Until the request has come whole.
    Request,
    /// Nothing moves.
    Idle,
}

const ALL: [Clock; 8] = [
    Clock::Total,
    Clock::Start,
    Clock::Try,
    Clock::TryIdle,
    Clock::Upstream,
    Clock::Stream,
    Clock::Request,
    Clock::Idle,
];

/// Which clocks run, and until when.
pub(crate) struct Clocks {
    until: [Micros; ALL.len()],
    /// A revision's time for the whole, which runs from the request's beginning.
    own_total: Micros,
    /// The route's, which begins when the request has come whole.
    total_after: Duration,
    idle_after: Duration,
    try_after: Duration,
    try_idle_after: Duration,
    upstream_after: Duration,
    /// The request has come whole.
    whole: bool,
    /// A connection is there and carries a try.
    trying: bool,
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
            until: [OFF; ALL.len()],
            own_total: OFF,
            total_after: Duration::ZERO,
            idle_after: Duration::ZERO,
            try_after: Duration::ZERO,
            try_idle_after: Duration::ZERO,
            upstream_after: Duration::ZERO,
            whole: false,
            trying: false,
            alarm: None,
            wait: Duration::ZERO,
            tells: false,
        }
    }
}

impl Clocks {
    /// Sets the clocks of a request that `began` then: the revision's (facts of its cluster), the route's, the listener's. In
    /// place: there are many, and most do not run.
    pub(super) fn begin(
        &mut self,
        worker: &Worker,
        began: Micros,
        revision: Option<&Revision>,
        forward: &Forward,
        manager: &HttpManager,
        wishes: &Wishes,
    ) {
        let until = |after: Duration| if after.is_zero() { OFF } else { began.after(after) };
        self.until = [OFF; ALL.len()];
        self.own_total = OFF;
        self.total_after = wishes.total;
        self.idle_after = forward.idle_timeout.unwrap_or(manager.stream_idle_timeout);
        self.try_after = wishes.per_try;
        self.try_idle_after =
            forward.retry.as_ref().and_then(|retry| retry.per_try_idle_timeout).unwrap_or_default();
        self.upstream_after = Duration::ZERO;
        (self.whole, self.trying, self.tells) = (false, false, false);
        self.alarm = None;
        self.wait = Duration::ZERO;
        if let Some(revision) = revision {
            self.own_total = until(revision.timeout);
            self.idle_after = shorter(revision.idle_timeout, self.idle_after);
            self.wait = revision.wait_timeout;
            self.tells = true;
            self.set(Clock::Start, until(revision.response_start_timeout));
        }
        let stream = forward.rare.as_ref().and_then(|rare| rare.max_stream_duration);
        self.set(
            Clock::Stream,
            match wishes.stream {
                // What a call asked for may come to nothing: then its time is up.
                Some(asked) => began.after(asked),
                None => until(stream.unwrap_or(manager.max_stream_duration)),
            },
        );
        self.set(Clock::Total, self.own_total);
        self.set(Clock::Request, until(manager.request_timeout));
        self.set(Clock::Idle, until(self.idle_after));
        self.rearm(worker);
    }

    fn set(&mut self, clock: Clock, until: Micros) {
        if let Some(slot) = self.until.get_mut(clock as usize) {
            *slot = until;
        }
    }

    /// Ready with the fault of the first clock that ran out.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        while let Some(alarm) = &mut self.alarm {
            ready!(alarm.poll_expired(cx));
            let now = alarm.clock().now();
            for (clock, until) in ALL.into_iter().zip(self.until) {
                if now >= until {
                    return Poll::Ready(self.fault(clock));
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

    /// Envoy's: 408 blames a client that has not said all, 504 whoever does not answer it.
    fn fault(&self, clock: Clock) -> Fault {
        match (clock, self.whole) {
            (Clock::Total, _) => Fault::Timeout,
            (Clock::Start, _) => Fault::ResponseStartLate,
            (Clock::Try, _) => Fault::TryLate,
            (Clock::TryIdle, _) => Fault::TryIdle,
            (Clock::Upstream, true) => Fault::UpstreamStreamLate,
            (Clock::Upstream, false) => Fault::UpstreamStreamLateRequest,
            (Clock::Stream, true) => Fault::StreamLate,
            (Clock::Stream, false) => Fault::StreamLateRequest,
            (Clock::Request, _) => Fault::RequestLate,
            (Clock::Idle, true) => Fault::Idle,
            (Clock::Idle, false) => Fault::IdleRequest,
        }
    }

    /// The request has come whole: its own clock stops, the response's begins.
    pub(super) fn request_came(&mut self, worker: &Worker) {
        if std::mem::replace(&mut self.whole, true) {
            return;
        }
        self.set(Clock::Request, OFF);
        if !self.total_after.is_zero() {
            let total = worker.clock.tick().after(self.total_after);
            self.set(Clock::Total, total.min(self.own_total));
        }
        if self.trying {
            self.begin_try(worker);
        }
        self.rearm(worker);
    }

    /// What is left of the response's time; `None`: it has no limit, or has not begun.
    pub(super) fn left(&self, worker: &Worker) -> Option<Duration> {
        let until = self.until.get(Clock::Total as usize).copied().filter(|until| *until != OFF)?;
        Some(Duration::from_micros(until.since(worker.clock.now())))
    }

    /// A connection is there and carries a try, whose response the cluster gives so long; zero is no limit.
    pub(super) fn try_began(&mut self, worker: &Worker, upstream: Duration) {
        self.trying = true;
        self.upstream_after = upstream;
        if self.try_idle_after.is_zero() && upstream.is_zero() && self.try_after.is_zero() {
            return;
        }
        let now = worker.clock.tick();
        let until = |after: Duration| if after.is_zero() { OFF } else { now.after(after) };
        self.set(Clock::TryIdle, until(self.try_idle_after));
        self.set(Clock::Upstream, until(upstream));
        if self.whole {
            self.begin_try(worker);
        }
        self.rearm(worker);
    }

    /// A try's own clock runs once the request has come whole.
    fn begin_try(&mut self, worker: &Worker) {
        if !self.try_after.is_zero() {
            self.set(Clock::Try, worker.clock.now().after(self.try_after));
        }
    }

    /// The try is over, without an answer.
    pub(super) fn try_ended(&mut self) {
        self.trying = false;
        [Clock::Try, Clock::TryIdle, Clock::Upstream].into_iter().for_each(|clock| self.set(clock, OFF));
    }

    /// The response began.
    pub(crate) fn began(&mut self) {
        self.trying = false;
        [Clock::Start, Clock::Try].into_iter().for_each(|clock| self.set(clock, OFF));
    }

    /// The connection is a tunnel now. Only what bounds any stream bounds it: a tunnel has no request and no response that end.
    pub(crate) fn upgraded(&mut self) {
        self.set(Clock::Total, self.own_total);
        [Clock::Request, Clock::TryIdle].into_iter().for_each(|clock| self.set(clock, OFF));
    }

    /// Something moved.
    pub(crate) fn moved(&mut self) {
        let Some(alarm) = &self.alarm else { return };
        let now = alarm.clock().tick();
        for (clock, after) in [(Clock::Idle, self.idle_after), (Clock::TryIdle, self.try_idle_after)] {
            if let Some(until) = self.until.get_mut(clock as usize)
                && *until != OFF
            {
                *until = now.after(after);
            }
        }
    }

    /// The exchange is over.
    pub(crate) fn stop(&mut self) {
        self.alarm = None;
    }

    fn nearest(&self) -> Micros {
        self.until.into_iter().fold(OFF, Ord::min)
    }

    /// Wakes for the nearest deadline. One that is later than before needs nothing: the alarm looks when it fires.
    fn rearm(&mut self, worker: &Worker) {
        let nearest = self.nearest();
        if nearest == OFF {
            return;
        }
        match &mut self.alarm {
            None => self.alarm = Some(worker.timer.at(nearest)),
            Some(alarm) if alarm.deadline().is_none_or(|at| nearest < at) => alarm.reset_at(nearest),
            Some(_) => {}
        }
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
