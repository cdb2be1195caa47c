//! Pauses between connections. Knows nothing of connections.

use std::time::Duration;

use forebay_base::rng::Rng;

/// The first pause. 10 ms: a control plane that was restarted in place is there again.
const FIRST: Duration = Duration::from_millis(10);

/// The longest pause. 15 s, as ztunnel has it: a thousand proxies then make 70 connections a second.
const LONGEST: Duration = Duration::from_secs(15);

/// Doubling pauses, each shortened by up to a half at random so that proxies cut off together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    rng: Rng,
}

impl Backoff {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { next: FIRST, rng }
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let half = whole / 2;
        half + half * self.rng.below(1000) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_fifteen_seconds_and_start_again() {
        let mut backoff = Backoff::new(Rng::seeded(1));
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
