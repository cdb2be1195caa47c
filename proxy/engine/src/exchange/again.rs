//! Whether there is another try, by the route's policy and the request's own headers: Envoy's rules. Owns how long to wait for
//! it; knows no connections.

use std::sync::Arc;
use std::time::Duration;

use forebay_http::{Head, Known};
use forebay_route::{Forward, ResetFormat, ResetHeader, Retry, RetryOn};
use forebay_telemetry::log::Flag;
use forebay_telemetry::{Cluster, ClusterStats};

use super::limits::Hold;
use super::state::{Exchange, View};
use crate::fault::Fault;
use crate::worker::Worker;

/// Envoy's bound on what is kept of a body: what a connection may buffer, 1 MiB.
const BUFFER: u64 = 1 << 20;

/// The tries of one request.
pub(super) struct Again {
    policy: Arc<Retry>,
    on: RetryOn,
    left: u32,
    /// Statuses and header names that the request itself named.
    statuses: Vec<u16>,
    names: Vec<Vec<u8>>,
    /// The next pause is less than this.
    pause: Duration,
    /// Bytes of a body that may be kept.
    pub(super) buffer: usize,
    /// Counts against the cluster's retries while one runs.
    pub(super) slot: Option<Hold>,
    /// Whether there was another try.
    tried: bool,
}

/// What becomes of a request whose try has ended.
pub(super) enum Verdict {
    /// Another try, after this pause.
    Another(Duration),
    /// This is the answer; the flag says why there is no other try, where one was wanted.
    Final(Option<Flag>),
}

impl Again {
    /// The policy of a request; `None` if nothing asks for any. Takes the asking headers off the request.
    pub(super) fn of(x: &mut Exchange, forward: &Forward) -> Option<Self> {
        let asks = x.req.has(Known::EnvoyRetryOn) || x.req.has(Known::EnvoyRetryGrpcOn);
        let policy = match &forward.retry {
            Some(policy) => policy.clone(),
            None if asks => Arc::new(Retry::new(RetryOn::NONE)),
            None => {
                take_off(&mut x.req);
                return None;
            }
        };
        let again = Self::read(&x.req, policy, forward);
        take_off(&mut x.req);
        again
    }

    fn read(req: &Head, policy: Arc<Retry>, forward: &Forward) -> Option<Self> {
        let text = |known| req.known(known).and_then(|value| std::str::from_utf8(value).ok());
        let mut on = policy.on;
        if let Some(words) = text(Known::EnvoyRetryOn) {
            on = on.and(RetryOn::asked(words, false));
        }
        if let Some(words) = text(Known::EnvoyRetryGrpcOn) {
            on = on.and(RetryOn::asked(words, true));
        }
        if on.is_empty() || !policy.allows(&View(req)) {
            return None;
        }
        let list =
            |known| text(known).unwrap_or_default().split(',').map(str::trim).filter(|w| !w.is_empty());
        let buffer = forward.rare.as_ref().and_then(|rare| rare.buffer_limit).unwrap_or(BUFFER);
        Some(Self {
            on,
            left: text(Known::EnvoyMaxRetries).and_then(|n| n.parse().ok()).unwrap_or(policy.tries),
            statuses: list(Known::EnvoyRetriableStatusCodes).filter_map(|code| code.parse().ok()).collect(),
            names: list(Known::EnvoyRetriableHeaderNames)
                .map(|name| name.to_ascii_lowercase().into_bytes())
                .collect(),
            pause: policy.back_off,
            buffer: usize::try_from(buffer).unwrap_or(usize::MAX),
            slot: None,
            tried: false,
            policy,
        })
    }

    /// How often another endpoint is drawn instead of one that the request has been on.
    pub(super) fn host_draws(&self) -> u32 {
        self.policy.host_draws
    }

    /// A try ended without an answer.
    pub(super) fn after_fault(
        &mut self,
        worker: &Worker,
        stats: &ClusterStats,
        x: &Exchange,
        fault: Fault,
        slot: impl FnOnce() -> Option<Hold>,
    ) -> Verdict {
        let on = RetryOn::SERVER_ERROR.and(RetryOn::GATEWAY_ERROR).and(RetryOn::RESET);
        let conditions = match fault {
            Fault::ConnectFailed(_) | Fault::ConnectLate | Fault::UpstreamTls(_) => {
                on.and(RetryOn::CONNECT_FAILURE).and(RetryOn::RESET_BEFORE_REQUEST)
            }
            Fault::UpstreamRefused => on.and(RetryOn::REFUSED_STREAM),
            Fault::UpstreamReset
            | Fault::UpstreamRemoteReset
            | Fault::UpstreamProtocol
            | Fault::TryLate
            | Fault::TryIdle
            | Fault::UpstreamStreamLate
            | Fault::UpstreamStreamLateRequest => on,
            _ => return Verdict::Final(None),
        };
        self.judge(worker, stats, x, self.on.has(conditions), None, slot)
    }

    /// A response's head has come; it is in `x`.
    pub(super) fn after_answer(
        &mut self,
        worker: &Worker,
        stats: &ClusterStats,
        x: &Exchange,
        slot: impl FnOnce() -> Option<Hold>,
    ) -> Verdict {
        let wanted = self.wants_another(&x.res);
        let asked = if wanted { self.asked_pause(worker, &x.res) } else { None };
        self.judge(worker, stats, x, wanted, asked, slot)
    }

    fn wants_another(&self, res: &Head) -> bool {
        let on = |condition| self.on.has(condition);
        if res.get(b"x-envoy-ratelimited").is_some() {
            return on(RetryOn::RATE_LIMITED);
        }
        let status = res.status;
        (on(RetryOn::SERVER_ERROR) && (500..600).contains(&status))
            || (on(RetryOn::GATEWAY_ERROR) && (502..=504).contains(&status))
            || (on(RetryOn::CONFLICT) && status == 409)
            || (on(RetryOn::STATUS_CODES)
                && (self.policy.statuses.contains(&status) || self.statuses.contains(&status)))
            || (on(RetryOn::HEADERS)
                && (self.policy.asked_by(&View(res))
                    || self.names.iter().any(|name| res.get(name).is_some())))
            || (on(RetryOn::GRPC) && self.wants_another_call(res))
    }

    /// gRPC statuses of responses that consist of trailers alone.
    fn wants_another_call(&self, res: &Head) -> bool {
        let condition = match res.known(Known::GrpcStatus) {
            Some(b"1") => RetryOn::GRPC_CANCELLED,
            Some(b"4") => RetryOn::GRPC_DEADLINE_EXCEEDED,
            Some(b"8") => RetryOn::GRPC_RESOURCE_EXHAUSTED,
            Some(b"13") => RetryOn::GRPC_INTERNAL,
            Some(b"14") => RetryOn::GRPC_UNAVAILABLE,
            _ => return false,
        };
        self.on.has(condition)
    }

    fn judge(
        &mut self,
        worker: &Worker,
        stats: &ClusterStats,
        x: &Exchange,
        wanted: bool,
        asked: Option<Duration>,
        slot: impl FnOnce() -> Option<Hold>,
    ) -> Verdict {
        self.slot = None;
        if !wanted {
            if std::mem::take(&mut self.tried) {
                stats.inc(Cluster::UpstreamRqRetrySuccess);
            }
            return Verdict::Final(None);
        }
        if !x.body.can_repeat() {
            stats.inc(Cluster::RetryOrShadowAbandoned);
            return Verdict::Final(None);
        }
        if self.left == 0 {
            stats.inc(Cluster::UpstreamRqRetryLimitExceeded);
            return Verdict::Final(Some(Flag::UpstreamRetryLimitExceeded));
        }
        self.left -= 1;
        let Some(held) = slot() else {
            stats.inc(Cluster::UpstreamRqRetryOverflow);
            return Verdict::Final(Some(Flag::UpstreamOverflow));
        };
        self.slot = Some(held);
        self.tried = true;
        stats.inc(Cluster::UpstreamRqRetry);
        Verdict::Another(match asked {
            Some(least) => {
                stats.inc(Cluster::UpstreamRqRetryBackoffRatelimited);
                // Half as much again at most, so that all who were told the same do not come at once.
                least + part(worker, least / 2)
            }
            None => {
                stats.inc(Cluster::UpstreamRqRetryBackoffExponential);
                let below = self.pause;
                self.pause = (below * 2).min(self.policy.max_back_off);
                part(worker, below).min(self.policy.max_back_off)
            }
        })
    }

    /// How long the response says to wait.
    fn asked_pause(&self, worker: &Worker, res: &Head) -> Option<Duration> {
        let reset = self.policy.reset.as_ref()?;
        let read = |header: &ResetHeader| {
            let value = std::str::from_utf8(res.get(header.name.as_bytes())?).ok()?;
            let n: u64 = value.trim().parse().ok()?;
            let seconds = match header.format {
                ResetFormat::Seconds => n,
                ResetFormat::UnixTimestamp => {
                    n.checked_sub(worker.clock.unix_micros(worker.clock.now()) / 1_000_000)?
                }
            };
            let pause = Duration::from_secs(seconds);
            (!pause.is_zero() && pause <= reset.max).then_some(pause)
        };
        reset.headers.iter().find_map(read)
    }
}

/// A random part of a time, to the microsecond.
fn part(worker: &Worker, below: Duration) -> Duration {
    let micros = u32::try_from(below.as_micros()).unwrap_or(u32::MAX).max(1);
    Duration::from_micros(worker.rng.below(micros).into())
}

/// What asks for tries is for this proxy.
fn take_off(req: &mut Head) {
    for known in [
        Known::EnvoyHedge,
        Known::EnvoyMaxRetries,
        Known::EnvoyRetriableHeaderNames,
        Known::EnvoyRetriableStatusCodes,
        Known::EnvoyRetryGrpcOn,
        Known::EnvoyRetryOn,
    ] {
        req.remove_known(known);
    }
}
