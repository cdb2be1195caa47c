//! Pauses between connections. Knows nothing of connections.

use std::time::Duration;

use forebay_base::rng::Rng;

/// The first pause. 10 ms: a control plane that was restarted in place is there again.
pub(crate) const FIRST: Duration = Duration::from_millis(10);

/// The longest pause. 15 s, as ztunnel has it: a thousand proxies then make 70 connections a second.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);

/// Doubling pauses, each shortened by up to a half at random so that proxies cut off together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    rng: Rng,
}

impl Backoff {
    pub(crate) fn new((first, longest): (Duration, Duration), rng: Rng) -> Self {
        Self { first, longest: longest.max(first), next: first, rng }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        let half = whole / 2;
        half + half * self.rng.below(1000) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_fifteen_seconds_and_start_again() {
        let mut backoff = Backoff::new((FIRST, LONGEST), Rng::seeded(1));
        let mut whole = FIRST;
        for _ in 0..20 {
            let pause = backoff.pause();
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} of {whole:?}");
            whole = (whole * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
