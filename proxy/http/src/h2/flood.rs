//! What a peer may cost us without sending messages (RFC 9113 10.5). Knows no frames' contents.

use std::time::{Duration, Instant};

/// Frames that move no message, within [`WITHIN`].
const MOST_IDLE: u32 = 1_000;
const WITHIN: Duration = Duration::from_secs(1);
/// What a DATA frame that we send makes up for: the windows that the peer opens again.
const CREDIT: u32 = 4;
/// Streams reset before anybody took them up: CVE-2023-44487.
const MOST_UNACCEPTED: u32 = 20;
/// Streams reset by the peer before their end, if they are more than half of all: the same at leisure.
const MOST_PREMATURE: u32 = 500;
/// Streams that we had to reset for what was sent on them.
const MOST_OURS: u32 = 1_024;

/// What has been spent.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    idle: u32,
    since: Option<Instant>,
    opened: u32,
    unaccepted: u32,
    premature: u32,
    ours: u32,
}

impl Flood {
    /// A frame that moves no message; false: too many of them.
    pub(crate) fn idle(&mut self) -> bool {
        self.idle += 1;
        if self.idle == MOST_IDLE / 10 {
            self.since = Some(Instant::now());
        }
        if self.idle < MOST_IDLE {
            return true;
        }
        let quick = self.since.is_some_and(|since| since.elapsed() < WITHIN);
        self.idle = 0;
        !quick
    }

    /// A DATA frame of ours went out.
    pub(crate) fn sent_data(&mut self) {
        self.idle = self.idle.saturating_sub(CREDIT);
    }

    /// A message has begun or moved on.
    pub(crate) fn useful(&mut self) {
        self.idle = self.idle.saturating_sub(1);
    }

    pub(crate) fn opened(&mut self) {
        self.opened = self.opened.saturating_add(1);
    }

    /// The peer reset a stream before its end; false: too often.
    pub(crate) fn reset_by_peer(&mut self, accepted: bool) -> bool {
        self.premature = self.premature.saturating_add(1);
        if !accepted {
            self.unaccepted += 1;
        }
        self.unaccepted <= MOST_UNACCEPTED
            && (self.premature < MOST_PREMATURE || u64::from(self.premature) * 2 <= u64::from(self.opened))
    }

    /// Everything that has come was taken up.
    pub(crate) fn all_accepted(&mut self) {
        self.unaccepted = 0;
    }

    /// We reset a stream for what was sent on it; false: too often.
    pub(crate) fn reset_by_us(&mut self) -> bool {
        self.ours += 1;
        self.ours <= MOST_OURS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_frames_are_made_up_for_by_work() {
        let mut flood = Flood::default();
        assert!((0..MOST_IDLE - 1).all(|_| flood.idle()) && !flood.idle());
        for _ in 0..MOST_IDLE * 3 {
            assert!(flood.idle());
            flood.useful();
        }
    }

    #[test]
    fn resets_are_a_matter_of_share_when_there_are_many() {
        let mut flood = Flood::default();
        for _ in 0..MOST_PREMATURE * 4 {
            flood.opened();
            flood.opened();
            assert!(flood.reset_by_peer(true));
        }
        let mut flood = Flood::default();
        let survived = (0..MOST_PREMATURE * 2).take_while(|_| {
            flood.opened();
            flood.reset_by_peer(true)
        });
        assert_eq!(survived.count() as u32, MOST_PREMATURE - 1);
    }

    #[test]
    fn streams_reset_unseen_are_few() {
        let mut flood = Flood::default();
        assert!((0..MOST_UNACCEPTED).all(|_| flood.reset_by_peer(false)));
        assert!(!flood.reset_by_peer(false));
    }
}
