//! What the autoscaler is told: requests in flight and arrivals of the last second, those through an activator apart. Owns the
//! message `Stat`; knows no connections.

use std::cell::RefCell;

use forebay_balance::Meter;
use forebay_report::metrics::Stat;
use prost::Message;

/// The load of one app.
pub(crate) struct Load {
    all: Meter,
    proxied: Meter,
    /// In the clock's microseconds.
    began: u64,
    last: RefCell<Stat>,
}

impl Load {
    /// Until the first report only the pod's name is told.
    pub(crate) fn new(pod: &str, now: u64) -> Self {
        Self {
            all: Meter::new(now),
            proxied: Meter::new(now),
            began: now,
            last: RefCell::new(Stat { pod_name: pod.to_owned(), ..Stat::default() }),
        }
    }

    #[inline]
    pub(crate) fn start(&self, proxied: bool, now: u64) {
        self.all.start(now);
        if proxied {
            self.proxied.start(now);
        }
    }

    #[inline]
    pub(crate) fn end(&self, proxied: bool, now: u64) {
        self.all.end(now);
        if proxied {
            self.proxied.end(now);
        }
    }

    /// Ends a period of one second.
    pub(crate) fn report(&self, now: u64) {
        let (all, proxied) = (self.all.report(now), self.proxied.report(now));
        let mut last = self.last.borrow_mut();
        last.average_concurrent_requests = all.average_concurrency;
        last.average_proxied_concurrent_requests = proxied.average_concurrency;
        last.request_count = all.requests as f64;
        last.proxied_request_count = proxied.requests as f64;
        last.process_uptime = now.saturating_sub(self.began) as f64 / 1e6;
    }

    /// Requests that are being served or wait.
    pub(crate) fn in_flight(&self) -> u32 {
        self.all.level()
    }

    /// The last report on the wire.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.last.borrow().encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(load: &Load) -> Stat {
        Stat::decode(&*load.encode()).unwrap_or_default()
    }

    #[test]
    fn before_the_first_report_there_is_a_name() {
        let load = Load::new("pod", 7);
        load.start(false, 10);
        assert_eq!(stat(&load), Stat { pod_name: "pod".into(), ..Stat::default() });
    }

    #[test]
    fn a_proxied_request_counts_twice_and_concurrency_carries_over() {
        let load = Load::new("pod", 0);
        load.start(true, 0);
        load.start(false, 500_000);
        load.report(1_000_000);
        let first = stat(&load);
        assert_eq!(
            (first.average_concurrent_requests, first.average_proxied_concurrent_requests),
            (1.5, 1.0)
        );
        assert_eq!((first.request_count, first.proxied_request_count), (2.0, 1.0));
        load.end(true, 1_500_000);
        load.report(2_000_000);
        let second = stat(&load);
        assert_eq!(
            (second.average_concurrent_requests, second.average_proxied_concurrent_requests),
            (1.5, 0.5)
        );
        assert_eq!((second.request_count, second.proxied_request_count), (0.0, 0.0));
        assert_eq!(second.process_uptime, 2.0);
        assert_eq!(load.in_flight(), 1);
    }
}
