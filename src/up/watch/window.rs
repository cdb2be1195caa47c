//! The last seconds of a counter and a histogram that only grow. Pure; knows nothing of whose they are.

use std::time::{Duration, Instant};

use forebay_telemetry::histogram::Measured;

/// Half of what is looked back to: long enough for a p99 that does not jump, short enough to show what happens now.
const HALF: Duration = Duration::from_secs(2);

/// A rate over less is noise.
const LEAST: Duration = Duration::from_secs(1);

/// What was counted at one moment.
#[derive(Clone)]
pub(super) struct Sample {
    pub at: Instant,
    pub answered: u64,
    /// `None` while nothing was measured.
    pub times: Option<Measured>,
}

/// Looks back two to four seconds.
#[derive(Default)]
pub(super) struct Window {
    /// The beginning, and the next one.
    ends: Option<(Sample, Sample)>,
    rate: f64,
    times: Option<Measured>,
    moving: bool,
    looked: Option<Instant>,
}

impl Window {
    pub(super) fn new(start: Sample) -> Self {
        Self { looked: Some(start.at), ends: Some((start.clone(), start)), ..Self::default() }
    }

    pub(super) fn add(&mut self, now: Sample) {
        let looked = self.looked.replace(now.at);
        let Some((start, next)) = &mut self.ends else {
            self.ends = Some((now.clone(), now));
            return;
        };
        if !self.moving {
            // Nothing was answered until the last look, which may be long ago: this is a new beginning.
            let long_ago = now.at.checked_sub(LEAST).unwrap_or(now.at);
            let begun = looked.map_or(long_ago, |at| at.max(long_ago));
            (start.at, next.at) = (begun, begun);
        } else if now.at.duration_since(next.at) >= HALF {
            *start = std::mem::replace(next, now.clone());
        }
        let answered = now.answered.saturating_sub(start.answered);
        self.rate = answered as f64 / now.at.duration_since(start.at).max(LEAST).as_secs_f64();
        self.times = match (now.times, &start.times) {
            _ if answered == 0 => None,
            (Some(now), Some(start)) => Some(now.since(start)),
            (now, _) => now,
        };
        self.moving = answered > 0;
    }

    /// Another look without anything new would show something else.
    pub(super) fn is_moving(&self) -> bool {
        self.moving
    }

    /// Answers a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// The duration that a share `q` (0 to 1) of them did not exceed.
    pub(super) fn quantile(&self, q: f64) -> Option<Duration> {
        self.times.as_ref()?.quantile(q)
    }
}

#[cfg(test)]
mod tests;
