//! The smaller filters: header_mutation, cors, buffer, fault, local_ratelimit. Knows nothing of protobuf or sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_route::{Fraction, HeaderAdd, HeaderMatch, TextMatch};

/// `header_mutation`: headers changed one after the other; routes may tell more of it.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderMutation {
    /// For every request.
    pub all: Mutations,
    /// Of the levels that tell more, the most specific comes last instead of first.
    pub specific_last: bool,
}

/// Changes of a request and of its response, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mutations {
    /// Of the request.
    pub request: Vec<Mutation>,
    /// Of the response.
    pub response: Vec<Mutation>,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Mutation {
    /// A header is set or added.
    Add(HeaderAdd),
    /// All of this name go.
    Remove(Arc<str>),
    /// All whose names match go.
    RemoveMatching(TextMatch),
}

/// `cors`: what a route lets other origins do.
#[derive(Debug, Clone, PartialEq)]
pub struct Cors {
    /// Origins that may.
    pub origins: Vec<TextMatch>,
    /// Empty ones are not sent, here and below.
    pub methods: Arc<str>,
    /// What they may send.
    pub headers: Arc<str>,
    /// What they may read.
    pub expose: Arc<str>,
    /// Seconds for which a preflight's answer holds.
    pub max_age: Arc<str>,
    /// Cookies and the like are sent along.
    pub credentials: bool,
    /// The share of requests it is enforced for; `None` is all.
    pub enabled: Option<Fraction>,
    /// Origins out there may ask for what is in here.
    pub private_network: bool,
    /// A preflight of an origin that may not goes to the endpoint instead of being answered here.
    pub forward_not_matching: bool,
}

/// `buffer`: a request goes on when all of its body is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Bytes; a larger body is refused by 413.
    pub most: u32,
}

/// What a route tells `buffer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferRoute {
    /// Not here.
    Disabled,
    /// With another limit.
    Limit(Buffer),
}

/// `fault`: some requests are held up or refused.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultInjection {
    /// Which requests; all have to match.
    pub headers: Vec<HeaderMatch>,
    /// Held up for so long, and how many of them.
    pub delay: Option<(Duration, Fraction)>,
    /// Refused with this status, and how many of them.
    pub abort: Option<(Abort, Fraction)>,
}

/// How a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abort {
    /// Its status; where gRPC's is wanted, 200.
    pub status: u16,
    /// gRPC's status, if that is wanted.
    pub grpc: Option<u32>,
    /// Its body.
    pub body: Arc<str>,
}

/// `local_ratelimit`: so many requests in a time, all workers together.
#[derive(Debug, Clone)]
pub struct LocalRateLimit {
    /// What is left.
    pub bucket: Arc<Bucket>,
    /// The share of requests that are counted.
    pub enabled: Fraction,
    /// The share of those that are refused when nothing is left.
    pub enforced: Fraction,
    /// What a refused client gets.
    pub status: u16,
    /// Added to a refusal.
    pub response_add: Vec<HeaderAdd>,
    /// Added to a request that passes although nothing is left.
    pub request_add: Vec<HeaderAdd>,
    /// A gRPC client is told RESOURCE_EXHAUSTED instead of UNAVAILABLE.
    pub exhausted: bool,
}

impl PartialEq for LocalRateLimit {
    /// What is left says nothing about what is configured.
    fn eq(&self, other: &Self) -> bool {
        self.bucket.sizes() == other.bucket.sizes()
            && (self.enabled, self.enforced, self.status, self.exhausted)
                == (other.enabled, other.enforced, other.status, other.exhausted)
            && self.response_add == other.response_add
            && self.request_add == other.request_add
    }
}

/// Tokens that come back evenly. One number, written by every worker that takes one: the moment at which the bucket would be
/// full if nobody took any more.
#[derive(Debug)]
pub struct Bucket {
    full_at: AtomicU64,
    most: u64,
    /// Nanoseconds a token takes to come back.
    each: u64,
}

impl Bucket {
    /// `most` tokens, full now; `fill` of them come back in each `interval`.
    pub fn new(most: u32, fill: u32, interval: Duration) -> Self {
        let each = interval.as_nanos() / u128::from(fill.max(1));
        Self {
            full_at: AtomicU64::new(0),
            most: most.into(),
            each: u64::try_from(each).unwrap_or(u64::MAX).max(1),
        }
    }

    fn sizes(&self) -> (u64, u64) {
        (self.most, self.each)
    }

    /// Takes a token if there is one; `now` in nanoseconds of any one clock.
    pub fn take(&self, now: u64) -> bool {
        let room = self.most.saturating_mul(self.each);
        let take = |full_at: u64| {
            let next = full_at.max(now).saturating_add(self.each);
            (next - now <= room).then_some(next)
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_until_there_are_none_and_come_back_evenly() {
        let bucket = Bucket::new(2, 1, Duration::from_nanos(100));
        let start = 1_000_000;
        assert_eq!([0, 0, 0].map(|after| bucket.take(start + after)), [true, true, false]);
        assert_eq!(
            [99, 100, 100, 199, 200].map(|after| bucket.take(start + after)),
            [false, true, false, false, true]
        );
        assert_eq!([10_000, 10_000, 10_000].map(|after| bucket.take(start + after)), [true, true, false]);
        assert!(!Bucket::new(0, 1, Duration::from_secs(1)).take(start));
    }
}
