//! Connections by endpoint: idle ones, shared ones, and how many there are. Knows no retry rules and no limits: it says what a
//! connection is good for, the caller decides.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use forebay_http::Pool as Buffers;
use forebay_http::h1::Leg;
use hashbrown::HashMap;

use crate::connect::{ConnectError, Dial};
use crate::shared::Connection;
use crate::tie::{Keep, Owner, Shared, Tie, Why};

/// Names an endpoint for the life of the process; an address that leaves and comes back gets a new one.
pub type EndpointId = u64;

/// How sure a reused connection has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The request can be sent again if the connection turns out dead.
    Replayable,
    /// It cannot: ask the kernel before trusting the connection.
    Careful,
}

/// Idle connections kept for one endpoint by one worker; more are closed on return.
const IDLE_PER_ENDPOINT: usize = 1024;

/// A connection and its bond with its pool. Boxed once, when it is opened: each request moves them out of the pool, through its
/// futures and back.
pub type Pooled<T> = (Box<Leg>, Box<Tie<T>>);

/// A connection that nobody uses.
struct Idle<T: Owner> {
    leg: Box<Leg>,
    tie: Box<Tie<T>>,
    /// It is closed then, in the worker's microseconds.
    until: u64,
}

/// What there is for one endpoint.
pub(crate) struct PerEndpoint<T: Owner> {
    idle: Vec<Idle<T>>,
    pub(crate) h2: Vec<Connection>,
    pub(crate) shared: Rc<Shared>,
}

impl<T: Owner> Default for PerEndpoint<T> {
    fn default() -> Self {
        Self { idle: Vec::new(), h2: Vec::new(), shared: Rc::default() }
    }
}

/// All pools of a worker. Each connection has an owner, who is dropped with it and told why it closes.
pub struct Pools<T: Owner> {
    pub(crate) by: RefCell<HashMap<EndpointId, PerEndpoint<T>, foldhash::fast::FixedState>>,
    pub(crate) buffers: Rc<Buffers>,
}

impl<T: Owner> Pools<T> {
    /// Empty pools whose legs use these buffers.
    pub fn new(buffers: Rc<Buffers>) -> Self {
        Self { by: RefCell::default(), buffers }
    }

    /// An idle HTTP/1.1 connection that is still good, if there is one; `now` in microseconds. Bad ones met on the way are
    /// closed. Where somebody waits for one, only who has `waited` gets it.
    pub fn take(&self, endpoint: EndpointId, reuse: Reuse, now: u64, waited: bool) -> Option<Pooled<T>> {
        let mut by = self.by.borrow_mut();
        let pool = by.get_mut(&endpoint)?;
        if !waited && pool.shared.waiting.get() > 0 {
            return None;
        }
        while let Some(Idle { mut leg, mut tie, until }) = pool.idle.pop() {
            let good = match reuse {
                Reuse::Replayable => leg.is_quiet(),
                Reuse::Careful => leg.is_quiet_now(),
            };
            if !good {
                tie.owner.closes(Why::Remote);
            } else if until <= now {
                tie.owner.closes(Why::Idle);
            } else {
                return Some((leg, tie));
            }
        }
        None
    }

    /// Connections of this worker to an endpoint, used, idle and being opened.
    pub fn open_now(&self, endpoint: EndpointId) -> u32 {
        self.by.borrow().get(&endpoint).map_or(0, |pool| pool.shared.open.get())
    }

    /// Returns when a connection to the endpoint came back or closed since the call; first come, first served.
    pub fn freed(&self, endpoint: EndpointId) -> impl Future<Output = ()> + use<T> {
        let shared = self.by.borrow_mut().entry(endpoint).or_default().shared.clone();
        async move {
            let _waiting = Waiting::new(&shared.waiting);
            shared.freed.notified().await;
        }
    }

    /// Opens an HTTP/1.1 connection for its `owner`.
    pub async fn open(
        &self,
        endpoint: EndpointId,
        dial: Dial<'_>,
        now: u64,
        owner: T,
    ) -> Result<Pooled<T>, ConnectError> {
        let mut tie = self.tie(endpoint, now, owner);
        let io = dial.connect(false).await?;
        let io = tie.owner.opened(io);
        Ok((Box::new(Leg::new(io, self.buffers.clone(), None)), Box::new(tie)))
    }

    pub(crate) fn tie(&self, endpoint: EndpointId, now: u64, owner: T) -> Tie<T> {
        let shared = self.by.borrow_mut().entry(endpoint).or_default().shared.clone();
        Tie::new(owner, shared, now)
    }

    /// Takes a connection back after a complete exchange, to be kept as `keep` says; `now` in microseconds. One whose endpoint
    /// has been forgotten meanwhile is closed.
    pub fn put(&self, endpoint: EndpointId, leg: Box<Leg>, mut tie: Box<Tie<T>>, now: u64, keep: &Keep) {
        tie.used += 1;
        if keep.requests.is_some_and(|most| tie.used >= most) {
            return tie.owner.closes(Why::MaxRequests);
        }
        if !leg.is_idle() {
            return;
        }
        let (until, why) = keep.until(now, tie.opened);
        if until <= now {
            return tie.owner.closes(why);
        }
        let shared = tie.shared.clone();
        if let Some(pool) = self.by.borrow_mut().get_mut(&endpoint)
            // One that was forgotten and used anew meanwhile is another: what it is spoken to by may have changed.
            && Rc::ptr_eq(&pool.shared, &shared)
            && pool.idle.len() < IDLE_PER_ENDPOINT
        {
            pool.idle.push(Idle { leg, tie, until });
        }
        shared.tell();
    }

    /// Closes what is idle for an endpoint that left; what is in use is closed when it comes back.
    pub fn forget(&self, endpoint: EndpointId) {
        // Dropped after the borrow: owners and waiters may look at the pools.
        let gone = self.by.borrow_mut().remove(&endpoint);
        drop(gone);
    }

    /// Closes connections that are idle for too long, too old, or closed by their peer; `now` in microseconds.
    pub fn sweep(&self, now: u64) {
        let mut gone = Vec::new();
        for pool in self.by.borrow_mut().values_mut() {
            let dead = |idle: &mut Idle<T>| idle.until <= now || !idle.leg.is_quiet();
            gone.extend(pool.idle.extract_if(.., dead));
            pool.h2.retain_mut(|connection| connection.stays(now));
        }
        for mut idle in gone {
            let why = if idle.until <= now { Why::Idle } else { Why::Remote };
            idle.tie.owner.closes(why);
        }
    }

    /// Idle HTTP/1.1 connections held now.
    pub fn idle(&self) -> usize {
        self.by.borrow().values().map(|p| p.idle.len()).sum()
    }
}

/// Somebody who waits for a connection.
struct Waiting<'s>(&'s Cell<u32>);

impl<'s> Waiting<'s> {
    fn new(count: &'s Cell<u32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
