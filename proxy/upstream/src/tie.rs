//! What a connection is beside its bytes: whose it is, how old, how much used, and how long it is kept. Knows no sockets.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use forebay_net::Stream;
use tokio::sync::Notify;

/// Whoever counts a connection. Dropped when it closes.
pub trait Owner: 'static {
    /// The connection is there, with TLS or without. Given back as it is to be used: whoever counts its bytes says so here.
    fn opened(&mut self, io: Stream) -> Stream;
    /// The connection closes because of this. Said at most once, before the drop; without it, the connection closes in the
    /// middle of an exchange or with its endpoint.
    fn closes(&mut self, why: Why);
}

/// Why a connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It was idle for as long as it may be.
    Idle,
    /// It is as old as it may become.
    MaxDuration,
    /// It has carried as many requests as it may.
    MaxRequests,
    /// Its keep-alive PING was not answered.
    Silent,
    /// The other side closed it.
    Remote,
    /// Nobody needs it any more: its endpoint left, or its pool.
    Drained,
}

/// How long connections of a cluster are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Idle; zero is for ever.
    pub idle: Duration,
    /// Altogether; zero is for ever.
    pub duration: Duration,
    /// For so many requests; `None` is for ever.
    pub requests: Option<u32>,
}

impl Keep {
    /// When one that becomes idle now is closed, and why.
    pub(crate) fn until(&self, now: u64, opened: u64) -> (u64, Why) {
        let after = |from: u64, time: Duration| match time {
            Duration::ZERO => u64::MAX,
            time => from.saturating_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
        };
        let (idle, old) = (after(now, self.idle), after(opened, self.duration));
        if old < idle { (old, Why::MaxDuration) } else { (idle, Why::Idle) }
    }
}

/// A connection's bond with its pool and its owner.
pub struct Tie<T: Owner> {
    /// Dropped with the connection.
    pub owner: T,
    pub(crate) shared: Rc<Shared>,
    /// In the worker's microseconds.
    pub(crate) opened: u64,
    /// Requests it has carried.
    pub(crate) used: u32,
}

impl<T: Owner> Tie<T> {
    pub(crate) fn new(owner: T, shared: Rc<Shared>, opened: u64) -> Self {
        shared.open.set(shared.open.get() + 1);
        Self { owner, shared, opened, used: 0 }
    }
}

impl<T: Owner> Drop for Tie<T> {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.tell();
    }
}

/// What all connections to an endpoint have in common.
#[derive(Default)]
pub(crate) struct Shared {
    /// Connections: used, idle, being opened.
    pub(crate) open: Cell<u32>,
    /// Requests that wait for one.
    pub(crate) waiting: Cell<u32>,
    pub(crate) freed: Notify,
    /// A shared connection was opened, or could not be.
    pub(crate) settled: Notify,
    /// Whether a shared connection is being opened.
    pub(crate) opening: Cell<bool>,
    /// How many of those attempts have failed.
    pub(crate) failures: Cell<u64>,
}

impl Shared {
    /// Something may be had: the first of those who wait looks.
    pub(crate) fn tell(&self) {
        if self.waiting.get() > 0 {
            self.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_goes_when_it_is_idle_or_old_whichever_comes_first() {
        let second = Duration::from_secs(1);
        let keep = |idle, duration| Keep { idle, duration, requests: None };
        assert_eq!(keep(second, Duration::ZERO).until(5, 0), (1_000_005, Why::Idle));
        assert_eq!(keep(second * 9, second).until(5, 2), (1_000_002, Why::MaxDuration));
        assert_eq!(keep(Duration::ZERO, Duration::ZERO).until(5, 0).0, u64::MAX);
    }
}
