//! When a crashed revision may start again. Pure: time is an argument.

use std::time::{Duration, Instant};

/// Back-off of one revision. Kubernetes' CrashLoopBackOff with a laptop's numbers: 10 ms, 100 ms, 200 ms, … 10 s, where
/// Kubernetes waits 10 s, 20 s, … 5 min.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Failures in a row.
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// A replica failed after being ready for `ready_for`. Says when the next may start.
    pub(crate) fn failed(&mut self, ready_for: Duration, now: Instant) -> Instant {
        if ready_for >= PROVEN {
            *self = Self::default();
        }
        match self.until {
            // Replicas of one round fail together; that is one failure.
            Some(until) if until > now => until,
            _ => {
                self.failures = self.failures.saturating_add(1);
                let until = now + delay(self.failures);
                self.until = Some(until);
                until
            }
        }
    }

    /// A replica ended as it was told to, after being ready for `ready_for`.
    pub(crate) fn ended_well(&mut self, ready_for: Duration) {
        if ready_for >= PROVEN {
            *self = Self::default();
        }
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The time before which nothing may start, if that is still ahead.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Whether the latest failure is worth a line: the first four, then every doubling, so that a revision that stays
    /// broken does not fill the screen.
    pub(crate) fn worth_telling(&self) -> bool {
        self.failures <= 4 || self.failures.is_power_of_two()
    }
}

/// How long after failure `n` (from 1) the next start waits.
fn delay(n: u32) -> Duration {
    match n {
        0 | 1 => FIRST,
        n => SECOND.saturating_mul(1 << (n - 2).min(16)).min(LONGEST),
    }
}

/// The first restart is as good as at once: a replica killed by hand should be back before anyone notices.
const FIRST: Duration = Duration::from_millis(10);
/// The second; it doubles from here.
const SECOND: Duration = Duration::from_millis(100);
/// A developer who repaired the program waits no longer than this.
const LONGEST: Duration = Duration::from_secs(10);
/// Ready for this long is a success: the count starts anew.
const PROVEN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_from_ten_milliseconds_to_ten_seconds_and_forgets_after_a_proven_run() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..10 {
            let until = backoff.failed(Duration::ZERO, now);
            waits.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(waits, [10, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.failed(PROVEN, now) - now, FIRST);
        assert_eq!(backoff.failures(), 1);
    }

    #[test]
    fn replicas_that_fail_together_count_once() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let until = backoff.failed(Duration::ZERO, now);
        assert_eq!(backoff.failed(Duration::ZERO, now), until);
        assert_eq!(backoff.failures(), 1);
        assert_eq!(backoff.until(now), Some(until));
        assert_eq!(backoff.until(until), None);
    }

    #[test]
    fn tells_less_and_less() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut told = Vec::new();
        for n in 1..=20 {
            now = backoff.failed(Duration::ZERO, now);
            if backoff.worth_telling() {
                told.push(n);
            }
        }
        assert_eq!(told, [1, 2, 3, 4, 8, 16]);
    }
}
