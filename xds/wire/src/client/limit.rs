//! The brake on NACKs: a server that answers a NACK by sending the same content again would otherwise spin with us.
//! Knows nothing of messages. ACKs are not limited: they are what lets endpoints flow.

use std::time::{Duration, Instant};

/// Tokens a full bucket holds: Envoy's default for `rate_limit_settings.max_tokens`.
pub const MAX_NACKS: u32 = 100;

/// Time for one new token: Envoy's default fill rate of 10 a second.
pub const NACK_REFILL: Duration = Duration::from_millis(100);

/// A token bucket, kept as the moment at which it would be full again.
#[derive(Debug)]
pub(super) struct Bucket {
    full_at: Instant,
    burst: u32,
    refill: Duration,
}

impl Bucket {
    pub(super) fn new((burst, refill): (u32, Duration), now: Instant) -> Self {
        Self { full_at: now, burst: burst.max(1), refill }
    }

    pub(super) fn has_token(&self, now: Instant) -> bool {
        self.ready_at(now) <= now
    }

    pub(super) fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.refill;
    }

    /// When the next token is there; now if one is.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        let room = self.refill.saturating_mul(self.burst - 1);
        self.full_at.checked_sub(room).map_or(now, |at| at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_at_once_and_then_ten_a_second() {
        let start = Instant::now() + Duration::from_secs(3600);
        let mut bucket = Bucket::new((MAX_NACKS, NACK_REFILL), start);
        let mut taken = 0;
        while bucket.has_token(start) {
            bucket.take(start);
            taken += 1;
        }
        assert_eq!(taken, 100);
        assert_eq!(bucket.ready_at(start), start + NACK_REFILL);
        let later = start + Duration::from_secs(1);
        let mut more = 0;
        while bucket.has_token(later) {
            bucket.take(later);
            more += 1;
        }
        assert_eq!(more, 10);
    }
}
