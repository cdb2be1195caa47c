//! When another try is allowed, as plain data. Deciding it is the engine's.

use std::sync::Arc;
use std::time::Duration;

use crate::header_match::HeaderMatch;
use crate::request::RequestView;

/// A route's retry policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// The conditions, any of which allows another try. Empty: only what a request's own headers ask for.
    pub on: RetryOn,
    /// `retriable_status_codes`, used when [`RetryOn::STATUS_CODES`] is set.
    pub statuses: Box<[u16]>,
    /// `retriable_headers` of the response, used when [`RetryOn::HEADERS`] is set.
    pub response_headers: Box<[HeaderMatch]>,
    /// `retriable_request_headers`: where there are any, one of them has to match for there to be another try at all.
    pub request_headers: Box<[HeaderMatch]>,
    /// Tries after the first.
    pub tries: u32,
    /// Limit of one try; `None` is the route's own timeout.
    pub per_try_timeout: Option<Duration>,
    /// How long nothing may move within one try before the response begins; `None` is no limit.
    pub per_try_idle_timeout: Option<Duration>,
    /// First back-off; doubles per try with full jitter.
    pub back_off: Duration,
    /// Longest back-off.
    pub max_back_off: Duration,
    /// Where a response may say how long to wait.
    pub reset: Option<Reset>,
    /// How often another endpoint is drawn because the request has been on the one that was; 0: the first that was drawn is
    /// taken (no `previous_hosts` predicate).
    pub host_draws: u32,
}

/// `rate_limited_retry_back_off`: headers by which a response says how long to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// In order; the first that a response has and that can be read counts.
    pub headers: Box<[ResetHeader]>,
    /// A longer wait than this is not believed.
    pub max: Duration,
}

/// One of those headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetHeader {
    /// Lower-case.
    pub name: Arc<str>,
    /// How to read it.
    pub format: ResetFormat,
}

/// What a reset header's number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetFormat {
    /// Seconds from now.
    Seconds,
    /// Seconds since 1970.
    UnixTimestamp,
}

impl Retry {
    /// Envoy's `base_interval`: 25 ms.
    pub const BACK_OFF: Duration = Duration::from_millis(25);

    /// A policy with Envoy's defaults: one more try, 25 ms doubling up to ten times that.
    pub fn new(on: RetryOn) -> Self {
        Self {
            on,
            statuses: Box::default(),
            response_headers: Box::default(),
            request_headers: Box::default(),
            tries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            back_off: Self::BACK_OFF,
            max_back_off: Self::BACK_OFF * 10,
            reset: None,
            host_draws: 0,
        }
    }

    /// Whether a request may be tried again at all, by its headers.
    pub fn allows<R: RequestView + ?Sized>(&self, request: &R) -> bool {
        self.request_headers.is_empty() || self.request_headers.iter().any(|rule| rule.matches(request))
    }

    /// Whether a response has one of the headers that ask for another try.
    pub fn asked_by<R: RequestView + ?Sized>(&self, response: &R) -> bool {
        self.response_headers.iter().any(|rule| rule.matches(response))
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
    /// `gateway-error`: 502, 503, 504, connect failure and reset.
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
    /// `envoy-ratelimited`: a response that says `x-envoy-ratelimited`, which is final otherwise.
    pub const RATE_LIMITED: Self = Self(1 << 13);
    /// `retriable-headers`.
    pub const HEADERS: Self = Self(1 << 14);

    /// All conditions on gRPC statuses.
    pub const GRPC: Self = Self(0b11111 << 8);

    /// Reads a comma-separated `retry_on` of a route, where words of both kinds may stand; the second part names what is
    /// unknown (Envoy ignores those).
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut set = Self::NONE;
        let mut unknown = Vec::new();
        for word in words(text) {
            match NAMES.iter().find(|(name, _)| *name == word) {
                Some((_, condition)) => set = set.and(*condition),
                None if word == HTTP3 => {}
                None => unknown.push(word.to_owned()),
            }
        }
        (set, unknown)
    }

    /// What a request's own header asks for: `x-envoy-retry-on` (`grpc` is false) or `x-envoy-retry-grpc-on`. Words of the
    /// other kind and unknown ones ask for nothing.
    pub fn asked(text: &str, grpc: bool) -> Self {
        let known =
            |word| NAMES.iter().find(|(name, condition)| *name == word && Self::GRPC.has(*condition) == grpc);
        words(text).filter_map(known).fold(Self::NONE, |set, (_, condition)| set.and(*condition))
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

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Envoy's spelling for something that cannot happen here: no upstream speaks HTTP/3.
const HTTP3: &str = "http3-post-connect-failure";

/// Envoy's spellings.
const NAMES: &[(&str, RetryOn)] = &[
    ("5xx", RetryOn::SERVER_ERROR),
    ("cancelled", RetryOn::GRPC_CANCELLED),
    ("connect-failure", RetryOn::CONNECT_FAILURE),
    ("deadline-exceeded", RetryOn::GRPC_DEADLINE_EXCEEDED),
    ("envoy-ratelimited", RetryOn::RATE_LIMITED),
    ("gateway-error", RetryOn::GATEWAY_ERROR),
    ("internal", RetryOn::GRPC_INTERNAL),
    ("refused-stream", RetryOn::REFUSED_STREAM),
    ("reset", RetryOn::RESET),
    ("reset-before-request", RetryOn::RESET_BEFORE_REQUEST),
    ("resource-exhausted", RetryOn::GRPC_RESOURCE_EXHAUSTED),
    ("retriable-4xx", RetryOn::CONFLICT),
    ("retriable-headers", RetryOn::HEADERS),
    ("retriable-status-codes", RetryOn::STATUS_CODES),
    ("unavailable", RetryOn::GRPC_UNAVAILABLE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_envoys_words_and_names_the_unknown() {
        let (set, unknown) = RetryOn::parse("connect-failure, reset,banana,http3-post-connect-failure,");
        assert!(
            set.has(RetryOn::CONNECT_FAILURE) && set.has(RetryOn::RESET) && !set.has(RetryOn::REFUSED_STREAM)
        );
        assert_eq!(unknown, ["banana"]);
        assert!(RetryOn::parse("").0.is_empty());
    }

    #[test]
    fn a_requests_header_asks_for_its_own_kind_only() {
        assert_eq!(RetryOn::asked("5xx, cancelled, banana", false), RetryOn::SERVER_ERROR);
        assert_eq!(RetryOn::asked("5xx,cancelled", true), RetryOn::GRPC_CANCELLED);
        assert!(RetryOn::GRPC.has(RetryOn::GRPC_UNAVAILABLE) && !RetryOn::GRPC.has(RetryOn::RATE_LIMITED));
    }
}
