//! The three clocks of a request on one timer (serving: `pkg/http/handler/timeout.go`). Knows what was written only by being told.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_base::duration::show;
use forebay_net::{Micros, Timeout};

use crate::sidecar::Sidecar;

/// A connection's timer, and what it measures for the request that runs.
pub(crate) struct Clocks {
    sidecar: Rc<Sidecar>,
    pub(crate) timeout: Timeout,
    /// When all of the request has to be over.
    revision: Micros,
    /// When something has to have been written; spent once that was looked at.
    response_start: Option<Micros>,
    idle: Option<(Duration, Micros)>,
    /// When the response was written to last. An upgraded connection's bytes do not count, as in the reference.
    wrote: Option<Micros>,
}

impl Clocks {
    pub(crate) fn new(sidecar: &Rc<Sidecar>) -> Self {
        Self {
            sidecar: sidecar.clone(),
            timeout: sidecar.timer.never(),
            revision: Micros(u64::MAX),
            response_start: None,
            idle: None,
            wrote: None,
        }
    }

    /// A request has come.
    pub(crate) fn begin(&mut self, now: Micros) {
        let timeouts = &self.sidecar.config.timeouts;
        self.revision = now.after(timeouts.revision);
        self.response_start = timeouts.response_start.map(|limit| now.after(limit));
        self.idle = timeouts.idle.map(|limit| (limit, now.after(limit)));
        self.wrote = None;
        self.timeout.reset_at(self.next());
    }

    /// Some of the response was written.
    #[inline]
    pub(crate) fn wrote(&mut self) {
        // Only the idle clock asks when.
        self.wrote = Some(if self.idle.is_some() { self.timeout.clock().tick() } else { Micros(0) });
    }

    /// Ready when one of them has run out.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timeout.poll_expired(cx).is_ready() {
            if self.has_run_out() {
                return Poll::Ready(());
            }
            self.timeout.reset_at(self.next());
        }
        Poll::Pending
    }

    #[cold]
    fn has_run_out(&mut self) -> bool {
        let now = self.timeout.clock().tick();
        let limits = &self.sidecar.config.timeouts;
        if now >= self.revision {
            tracing::warn!("Request timeout: {}", show(limits.revision));
            return true;
        }
        if self.response_start.is_some_and(|at| now >= at) {
            if self.wrote.is_none() {
                tracing::warn!("Response start timeout: {}", show(limits.response_start.unwrap_or_default()));
                return true;
            }
            self.response_start = None;
        }
        let Some((limit, at)) = self.idle else { return false };
        if now < at {
            return false;
        }
        // Before the first write the clock began with the request.
        let next = self.wrote.map_or(at, |wrote| wrote.after(limit));
        self.idle = Some((limit, next));
        if now >= next {
            tracing::warn!("Idle timeout: {}", show(limit));
        }
        now >= next
    }

    fn next(&self) -> Micros {
        let others = [self.response_start, self.idle.map(|(_, at)| at)];
        others.into_iter().flatten().fold(self.revision, Ord::min)
    }
}
