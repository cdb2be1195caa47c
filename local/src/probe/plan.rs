//! A revision's probes with their times, and the loops that run them. Knows nothing of protocols.

use std::sync::PoisonError;
use std::time::Duration;

use forebay_knative::api::{self, Container, Protocol};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Attempt, Target};
use crate::failure::span;

/// The probes of one container.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Must succeed once before the others count.
    pub(crate) startup: Option<Check>,
    /// What the platform asks itself beside what it asks the queue-proxy: a command.
    own: Option<Check>,
    /// Must succeed before requests are sent.
    readiness: Check,
    /// Kills when it fails.
    pub(crate) liveness: Option<Check>,
}

/// One probe.
#[derive(Debug)]
pub(crate) struct Check {
    attempt: Attempt,
    initial_delay: Duration,
    /// Between attempts, once the start-up is over. Zero: never again.
    period: Duration,
    timeout: Duration,
    successes: u32,
    failures: u32,
}

/// What came of waiting for a start-up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Passed,
    /// A start-up probe's `failureThreshold` periods are over; the last reason.
    TooLong(String),
}

impl Plan {
    /// `Err` says in words what this platform cannot do.
    pub(crate) fn new(container: &Container, protocol: Protocol) -> Result<Self, String> {
        let check = |field: &str, probe: Option<&api::Probe>| {
            let check = probe.map(|probe| Check::new(probe, protocol)).transpose();
            check.map_err(|what| format!("{field}: {what}"))
        };
        Ok(Self {
            startup: check("startupProbe", container.startup_probe.as_deref())?
                .map(Check::with_kubernetes_period),
            own: None,
            readiness: check("readinessProbe", container.readiness_probe.as_deref())?
                .unwrap_or_else(Check::listens),
            liveness: check("livenessProbe", container.liveness_probe.as_deref())?
                .map(Check::with_kubernetes_period),
        })
    }

    /// The same for a replica whose readiness its queue-proxy tells. A command can only be run from here, and goes on deciding
    /// about readiness; the queue-proxy sees then that the app listens.
    pub(crate) fn behind_queue_proxy(mut self) -> Self {
        let asked = Check { attempt: Attempt::QueueProxy, ..self.readiness };
        if matches!(self.readiness.attempt, Attempt::Exec { .. }) {
            self.own = Some(std::mem::replace(&mut self.readiness, asked));
        } else {
            self.readiness = asked;
        }
        self
    }

    /// What decides about readiness once it is there.
    pub(crate) fn kept(&self) -> &Check {
        self.own.as_ref().unwrap_or(&self.readiness)
    }

    /// Waits until the replica is ready, trying as often as is useful: nobody should wait for a tick.
    pub(crate) async fn ready(&self, target: &Target<'_>) -> Waited {
        if let Some(startup) = &self.startup {
            let deadline = target.started + startup.initial_delay + startup.period * startup.failures;
            if timeout_at(deadline, startup.pass(target)).await.is_err() {
                return Waited::TooLong(target.last());
            }
        }
        if let Some(own) = &self.own {
            own.pass(target).await;
        }
        self.readiness.pass(target).await;
        Waited::Passed
    }
}

impl Check {
    pub(super) fn new(probe: &api::Probe, protocol: Protocol) -> Result<Self, String> {
        let seconds = |n: u32| Duration::from_secs(n.into());
        Ok(Self {
            attempt: Attempt::new(&probe.handler, protocol)?,
            initial_delay: seconds(probe.initial_delay_seconds),
            period: seconds(probe.period_seconds),
            // Kubernetes' default; Knative's 100 ms for aggressive probing would kill a first answer that is slow.
            timeout: seconds(probe.timeout_seconds.max(1)),
            successes: probe.success_threshold.max(1),
            failures: if probe.failure_threshold == 0 { FAILURES } else { probe.failure_threshold },
        })
    }

    /// Knative's default: ready is who listens.
    fn listens() -> Self {
        Self {
            attempt: Attempt::Tcp,
            initial_delay: Duration::ZERO,
            period: Duration::ZERO,
            timeout: Duration::from_secs(1),
            successes: 1,
            failures: FAILURES,
        }
    }

    /// For probes that make no sense without a period.
    fn with_kubernetes_period(mut self) -> Self {
        if self.period.is_zero() {
            self.period = PERIOD;
        }
        self
    }

    /// Whether it goes on after the start.
    pub(crate) fn recurs(&self) -> bool {
        !self.period.is_zero()
    }

    /// Waits for enough successes in a row, at start-up's pace.
    async fn pass(&self, target: &Target<'_>) {
        sleep((target.started + self.initial_delay).saturating_duration_since(Instant::now())).await;
        let mut pace = Pace::new(&self.attempt);
        let mut row = 0;
        loop {
            match self.once(target).await {
                Ok(()) => {
                    row += 1;
                    if row >= self.successes {
                        return;
                    }
                    // Several successes are asked for to see it last; at once they would prove nothing.
                    sleep(if self.recurs() { self.period } else { AGGRESSIVE }).await;
                }
                Err(Miss { what, refused }) => {
                    row = 0;
                    *target.last_miss.lock().unwrap_or_else(PoisonError::into_inner) = what;
                    sleep(pace.next(refused, target.started.elapsed())).await;
                }
            }
        }
    }

    /// Runs at its period until it has failed often enough; says why. Pending for ever if it does not recur.
    pub(crate) async fn fails(&self, target: &Target<'_>) -> String {
        if !self.recurs() {
            return std::future::pending().await;
        }
        sleep((target.started + self.initial_delay).saturating_duration_since(Instant::now())).await;
        let mut row = 0;
        loop {
            sleep(self.period).await;
            match self.once(target).await {
                Ok(()) => row = 0,
                Err(miss) => {
                    row += 1;
                    if row >= self.failures {
                        return miss.what;
                    }
                }
            }
        }
    }

    /// Runs at its period until it has succeeded often enough again.
    pub(crate) async fn recovers(&self, target: &Target<'_>) {
        let mut row = 0;
        while row < self.successes {
            sleep(self.period).await;
            row = if self.once(target).await.is_ok() { row + 1 } else { 0 };
        }
    }

    pub(super) async fn once(&self, target: &Target<'_>) -> Result<(), Miss> {
        match timeout(self.timeout, self.attempt.run(target)).await {
            Ok(result) => result,
            Err(_) => Err(self.attempt.behind(target).await.unwrap_or_else(|| Miss {
                what: format!("{} timed out after {}", self.attempt, span(self.timeout)),
                refused: false,
            })),
        }
    }
}

/// An attempt that did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    pub(crate) what: String,
    /// Nobody listens yet: asking again costs next to nothing.
    pub(crate) refused: bool,
}

/// How long start-up waits between attempts.
#[derive(Debug)]
struct Pace {
    next: Duration,
    longest: Duration,
}

impl Pace {
    fn new(attempt: &Attempt) -> Self {
        match attempt {
            // A process each time.
            Attempt::Exec { .. } => Self { next: Duration::from_millis(10), longest: Duration::from_secs(1) },
            // It holds the question until the app is ready, or knows by its own probe's period.
            Attempt::QueueProxy => {
                Self { next: Duration::from_millis(1), longest: Duration::from_millis(20) }
            }
            // Work for the program each time.
            _ => Self { next: Duration::from_millis(2), longest: Duration::from_millis(100) },
        }
    }

    fn next(&mut self, refused: bool, age: Duration) -> Duration {
        if refused {
            // 1 ms for the first three seconds, then a three-thousandth of the age, to 10 ms at 30 s: a refused
            // connection costs some 20 µs, so a slow starter costs 2 % of a processor first and 0.2 % later.
            return (age / 3_000).clamp(Duration::from_millis(1), Duration::from_millis(10));
        }
        let now = self.next;
        self.next = (now * 2).min(self.longest);
        now
    }
}

/// Between the successes of a probe without a period (serving: pkg/queue/readiness/probe.go, aggressive polling).
const AGGRESSIVE: Duration = Duration::from_millis(50);
/// Kubernetes' defaults.
const PERIOD: Duration = Duration::from_secs(10);
const FAILURES: u32 = 3;

#[cfg(test)]
mod tests;
