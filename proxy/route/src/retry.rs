//! When another try is allowed, as plain data. Deciding it is the engine's.

use std::time::Duration;

/// A route's retry policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The conditions, any of which allows another try.
    pub on: RetryOn,
    /// `retriable_status_codes`, used when [`RetryOn::STATUS_CODES`] is set.
    pub statuses: Box<[u16]>,
    /// Tries after the first.
    pub tries: u32,
    /// Limit of one try; `None` is the route's own timeout.
    pub per_try_timeout: Option<Duration>,
    /// First back-off; doubles per try with full jitter.
    pub back_off: Duration,
    /// Longest back-off.
    pub max_back_off: Duration,
}

impl Retry {
    /// Envoy's `base_interval`: 25 ms.
    pub const BACK_OFF: Duration = Duration::from_millis(25);

    /// A policy with Envoy's defaults: one more try, 25 ms doubling up to ten times that.
    pub fn new(on: RetryOn) -> Self {
        Self {
            on,
            statuses: Box::default(),
            tries: 1,
            per_try_timeout: None,
            back_off: Self::BACK_OFF,
            max_back_off: Self::BACK_OFF * 10,
        }
    }
}

/// A set of Envoy's `retry_on` conditions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryOn(u16);

impl RetryOn {
    pub const NONE: Self = Self(0);
    /// `connect-failure`.
    pub const CONNECT_FAILURE: Self = Self(1);
    /// `refused-stream`: HTTP/2 REFUSED_STREAM.
    pub const REFUSED_STREAM: Self = Self(1 << 1);
    /// `reset`: no response at all.
    pub const RESET: Self = Self(1 << 2);
    /// `reset-before-request`: reset before the request's head was sent.
    pub const RESET_BEFORE_REQUEST: Self = Self(1 << 3);
    /// `5xx`, which includes connect failure and reset.
    pub const SERVER_ERROR: Self = Self(1 << 4);
    /// `gateway-error`: 502, 503, 504.
    pub const GATEWAY_ERROR: Self = Self(1 << 5);
    /// `retriable-4xx`: 409.
    pub const CONFLICT: Self = Self(1 << 6);
    /// `retriable-status-codes`.
    pub const STATUS_CODES: Self = Self(1 << 7);
    /// gRPC `cancelled`.
    pub const GRPC_CANCELLED: Self = Self(1 << 8);
    /// gRPC `deadline-exceeded`.
    pub const GRPC_DEADLINE_EXCEEDED: Self = Self(1 << 9);
    /// gRPC `internal`.
    pub const GRPC_INTERNAL: Self = Self(1 << 10);
    /// gRPC `resource-exhausted`.
    pub const GRPC_RESOURCE_EXHAUSTED: Self = Self(1 << 11);
    /// gRPC `unavailable`.
    pub const GRPC_UNAVAILABLE: Self = Self(1 << 12);

    /// Reads a comma-separated `retry_on`; the second part names what is unknown (Envoy ignores those).
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut set = Self::NONE;
        let mut unknown = Vec::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match NAMES.iter().find(|(name, _)| *name == word) {
                Some((_, condition)) => set = set.and(*condition),
                None => unknown.push(word.to_owned()),
            }
        }
        (set, unknown)
    }

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any condition of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Envoy's spellings.
const NAMES: &[(&str, RetryOn)] = &[
    ("5xx", RetryOn::SERVER_ERROR),
    ("cancelled", RetryOn::GRPC_CANCELLED),
    ("connect-failure", RetryOn::CONNECT_FAILURE),
    ("deadline-exceeded", RetryOn::GRPC_DEADLINE_EXCEEDED),
    ("gateway-error", RetryOn::GATEWAY_ERROR),
    ("internal", RetryOn::GRPC_INTERNAL),
    ("refused-stream", RetryOn::REFUSED_STREAM),
    ("reset", RetryOn::RESET),
    ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
    ("resource-exhausted", RetryOn::GRPC_RESOURCE_EXHAUSTED),
    ("retriable-4xx", RetryOn::CONFLICT),
    ("retriable-status-codes", RetryOn::STATUS_CODES),
    ("unavailable", RetryOn::GRPC_UNAVAILABLE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_envoys_words_and_names_the_unknown() {
        let (set, unknown) = RetryOn::parse("connect-failure, reset,banana,");
        assert!(
            set.has(RetryOn::CONNECT_FAILURE) && set.has(RetryOn::RESET) && !set.has(RetryOn::REFUSED_STREAM)
        );
        assert_eq!(unknown, ["banana"]);
        assert!(RetryOn::parse("").0.is_empty());
    }
}
