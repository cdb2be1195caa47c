//! What happened at one endpoint, for those who look. Knows no request.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Something that happens to an endpoint, by Envoy's names of its host statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `cx_total`: a connection was opened, or it was tried.
    Connected,
    /// Such a connection is no more: what is left of them is `cx_active`.
    Closed,
    /// `cx_connect_fail`: one could not be.
    ConnectFailed,
    /// `rq_total`: a request was sent.
    Sent,
    /// `rq_success`: it was answered, and not with 5xx.
    Succeeded,
    /// `rq_error`: it was answered with 5xx, or not at all.
    Failed,
    /// `rq_timeout`: it was not answered in time.
    TimedOut,
}

const EVENTS: usize = 7;

/// Events counted. Two words until the first: most endpoints of a big configuration are never used.
#[derive(Default)]
pub(crate) struct Tally(OnceLock<Box<[AtomicU64; EVENTS]>>);

impl Tally {
    /// Written by all workers, beside the endpoint's load, which each request touches anyway.
    pub(crate) fn count(&self, event: Event) {
        if let Some(cell) = self.0.get_or_init(Box::default).get(event as usize) {
            cell.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn get(&self, event: Event) -> u64 {
        self.0.get().and_then(|cells| cells.get(event as usize)).map_or(0, |cell| cell.load(Relaxed))
    }
}
