//! One address and what runs there. Knows nothing of its neighbours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::gate::Gate;
use crate::permit::Permit;
use crate::tally::{Event, Tally};

/// An address that serves requests. It survives updates as the same object; an address that was retired and comes back is
/// a new one.
pub struct Endpoint {
    pub address: SocketAddr,
    /// What it is called, if anything, for those who name it to itself.
    pub hostname: Option<Arc<str>>,
    /// Unique in this process's life.
    pub id: u64,
    /// Bits 0-31: requests in flight. Bits 32-61: those of them that hold a gate's permit. Bit 62: draining. Bit 63: retired.
    /// Written by requests of all workers at entry and exit, flags by the model; read by choices and reports.
    state: CachePadded<AtomicU64>,
    tally: Tally,
}

impl Endpoint {
    pub fn new(address: SocketAddr) -> Arc<Self> {
        Self::named(address, None)
    }

    /// One that is called something.
    pub fn named(address: SocketAddr, hostname: Option<Arc<str>>) -> Arc<Self> {
        /// Written and read here only.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let state = CachePadded::new(AtomicU64::new(0));
        Arc::new(Self { address, hostname, id, state, tally: Tally::default() })
    }

    /// Counts something that happened here.
    pub fn count(&self, event: Event) {
        self.tally.count(event);
    }

    /// How often that happened here.
    pub fn counted(&self, event: Event) -> u64 {
        self.tally.get(event)
    }

    /// Requests in flight here.
    pub fn in_flight(&self) -> u32 {
        self.load().in_flight()
    }

    /// Whether it takes no new requests.
    pub fn draining(&self) -> bool {
        self.load().draining()
    }

    /// No new requests from now on (`true`), or again (`false`, unless it was retired). Those in flight stay, and still
    /// count at their gate.
    pub fn drain(&self, on: bool) {
        if on {
            self.state.fetch_or(DRAINING, Ordering::AcqRel);
        } else {
            // The closure says no to a retired endpoint, which stays as it is.
            let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (state & RETIRED == 0).then_some(state & !DRAINING)
            });
        }
    }

    /// Gone for good: no new requests, and those still running here count at `gate` no more, whose capacity no longer
    /// includes this endpoint. Without it a long request on a departing replica would hold a slot of one that stays.
    /// Once; later calls do nothing.
    pub fn retire(&self, gate: &Gate) {
        let before = Load(self.state.fetch_or(DRAINING | RETIRED, Ordering::AcqRel));
        if !before.retired() && before.seated() > 0 {
            gate.release(before.seated());
        }
    }

    pub(crate) fn load(&self) -> Load {
        Load(self.state.load(Ordering::Acquire))
    }

    /// Adds one request, if the endpoint takes any and has fewer than `limit` (0 = no limit). `guess` is a load seen before;
    /// when it is still true this is one atomic operation.
    #[inline]
    pub(crate) fn acquire(&self, guess: Load, limit: u32, kind: Kind) -> bool {
        let Load(mut state) = guess;
        while Load(state).takes(limit) {
            let next = state + kind.unit();
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    fn release(&self, kind: Kind) -> Load {
        Load(self.state.fetch_sub(kind.unit(), Ordering::AcqRel))
    }
}

impl AsRef<Endpoint> for Endpoint {
    fn as_ref(&self) -> &Endpoint {
        self
    }
}

/// A request on an endpoint. Dropping it ends it.
#[must_use = "dropping a lease gives it back"]
pub struct EndpointLease<E: AsRef<Endpoint> = Arc<Endpoint>> {
    endpoint: E,
}

impl<E: AsRef<Endpoint>> EndpointLease<E> {
    /// For a request that is added already, as [`Kind::Bare`].
    pub(crate) fn of(endpoint: E) -> Self {
        Self { endpoint }
    }

    pub fn endpoint(&self) -> &E {
        &self.endpoint
    }
}

impl<E: AsRef<Endpoint>> Drop for EndpointLease<E> {
    fn drop(&mut self) {
        self.endpoint.as_ref().release(Kind::Bare);
    }
}

/// A permitted request on an endpoint: the permit and the lease in one, given back in the right order, the endpoint's slot
/// first, so that whoever gets the permit finds it free.
#[must_use = "dropping a seat gives it back"]
pub struct Seat<G: AsRef<Gate> = Arc<Gate>, E: AsRef<Endpoint> = Arc<Endpoint>> {
    endpoint: E,
    /// `None` once given back.
    permit: Option<Permit<G>>,
}

impl<G: AsRef<Gate>, E: AsRef<Endpoint>> Seat<G, E> {
    /// For a request that is added already, as [`Kind::Seated`].
    pub(crate) fn of(endpoint: E, permit: Permit<G>) -> Self {
        Self { endpoint, permit: Some(permit) }
    }

    pub fn endpoint(&self) -> &E {
        &self.endpoint
    }

    /// Leaves the endpoint and keeps the permit, to try another one. `None`: the endpoint was retired and the permit with it;
    /// ask the gate again.
    pub fn leave(mut self) -> Option<Permit<G>> {
        self.give_back()
    }

    fn give_back(&mut self) -> Option<Permit<G>> {
        let permit = self.permit.take()?;
        if self.endpoint.as_ref().release(Kind::Seated).retired() {
            permit.forget();
            return None;
        }
        Some(permit)
    }
}

impl<G: AsRef<Gate>, E: AsRef<Endpoint>> Drop for Seat<G, E> {
    fn drop(&mut self) {
        drop(self.give_back());
    }
}

/// What a request on an endpoint holds besides.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Nothing.
    Bare,
    /// A gate's permit.
    Seated,
}

impl Kind {
    fn unit(self) -> u64 {
        match self {
            Self::Bare => 1,
            Self::Seated => 1 | 1 << SEATED_SHIFT,
        }
    }
}

/// An endpoint's state as it was seen.
#[derive(Clone, Copy)]
pub(crate) struct Load(u64);

impl Load {
    pub(crate) fn in_flight(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn draining(self) -> bool {
        self.0 & DRAINING != 0
    }

    /// Whether one more request fits.
    #[inline]
    pub(crate) fn takes(self, limit: u32) -> bool {
        !self.draining() && (limit == 0 || self.in_flight() < limit)
    }

    fn seated(self) -> u32 {
        (self.0 >> SEATED_SHIFT) as u32 & SEATED_MASK
    }

    fn retired(self) -> bool {
        self.0 & RETIRED != 0
    }
}

const DRAINING: u64 = 1 << 62;
const RETIRED: u64 = 1 << 63;
const SEATED_SHIFT: u32 = 32;
/// 30 bits: a billion requests on one address.
const SEATED_MASK: u32 = (1 << 30) - 1;
