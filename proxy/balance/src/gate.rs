//! Who may run: a revision's concurrency limit and its queue. Knows nothing of endpoints beyond their sum, the capacity.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::permit::Permit;
use crate::room::{Bounds, Called, Full, Room, Totals};
use crate::wait::Wait;
use crate::word::{ONE, WAITERS, Word};

/// Shared by all workers. Everything is exact: never more permits than capacity, first come first served over all workers,
/// nobody overtakes those who wait, and no permit is lost with a request that goes away.
///
/// With the counts of its `Arc` it is as large as a cache line, and the program's allocator gives what is so large a line of its
/// own: no two gates share one. A cold revision has a gate as well, there are thousands: what only waiting needs comes with the
/// first that waits.
#[repr(C)]
pub struct Gate {
    /// Written by every request at entry and exit, by `set_capacity` and, under the room's lock, by hand-overs; read by the
    /// same and by reports.
    state: AtomicU64,
    /// A hint, written by `set_capacity` only, never true before `state` is: the capacity is unlimited, so entering need not
    /// look before it adds. Read by every entry, from the line that it is about to write.
    unlimited: AtomicBool,
    /// A copy of the room's number, written under its lock, read by anybody.
    waiting: AtomicU32,
    /// Taken by requests that must wait, by releases that see [`WAITERS`], and by `set_capacity`. Held for a few instructions;
    /// wakers are called and dropped after it is released.
    room: Mutex<Room>,
}

/// How many may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// None: no endpoint is ready. All wait.
    Closed,
    Slots(u32),
    Unlimited,
}

impl Gate {
    /// A closed gate.
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU64::new(0),
            unlimited: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            room: Mutex::new(Room::new(bounds)),
        })
    }

    /// Runs now, if there is a free slot and nobody waits.
    #[inline]
    pub fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        self.take().then(|| Permit::of(Arc::clone(self)))
    }

    /// [`Gate::try_enter`] with a handle of the caller's: a worker that has its own `Rc` or reference saves the reference
    /// count that all workers share.
    #[inline]
    pub fn try_enter_with<G: AsRef<Gate>>(handle: G) -> Result<Permit<G>, G> {
        if handle.as_ref().take() { Ok(Permit::of(handle)) } else { Err(handle) }
    }

    /// Takes a place in the queue, holding `bytes` of a request body; `now` is kept for [`Wait::since`]. If there is a free
    /// slot and nobody waits, the wait is over at once and no bound applies.
    ///
    /// # Errors
    /// The room is full.
    pub fn wait(self: &Arc<Self>, bytes: u64, now: Instant) -> Result<Wait, Full> {
        Self::wait_with(Arc::clone(self), bytes, now)
    }

    /// [`Gate::wait`] with a handle of the caller's.
    pub fn wait_with<G: AsRef<Gate>>(handle: G, bytes: u64, now: Instant) -> Result<Wait<G>, Full> {
        let gate = handle.as_ref();
        let mut room = gate.room();
        if room.is_empty() && gate.take_exactly() {
            drop(room);
            return Ok(Wait::granted(handle, now));
        }
        let entered = room.enter(bytes, now);
        if entered.is_ok() {
            // From here on every release looks into the room. One before this is seen by the look that `serve` takes.
            gate.state.fetch_or(WAITERS, Ordering::AcqRel);
        }
        gate.serve(room);
        Ok(Wait::queued(handle, entered?, now))
    }

    /// A rise admits as many of those who wait as fit, oldest first. A fall touches nobody who runs.
    pub fn set_capacity(&self, capacity: Capacity) {
        let room = self.room();
        let unlimited = capacity == Capacity::Unlimited;
        if !unlimited {
            self.unlimited.store(false, Ordering::Release);
        }
        let set = |word| Some(Word(word).with_capacity(capacity).0);
        // The closure never says no.
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, set);
        if unlimited {
            self.unlimited.store(true, Ordering::Release);
        }
        self.serve(room);
    }

    /// Applies to those who come; those who wait already stay.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.room().bounds = bounds;
    }

    pub fn capacity(&self) -> Capacity {
        self.word().capacity()
    }

    /// Permits out.
    pub fn in_flight(&self) -> u32 {
        self.word().in_flight()
    }

    /// Requests in the room.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Bytes they hold. Takes the room's lock: for reports, not for requests.
    pub fn waiting_bytes(&self) -> u64 {
        self.room().bytes()
    }

    /// How long the oldest has waited. Takes the room's lock: for reports, not for requests.
    pub fn oldest_wait(&self, now: Instant) -> Option<Duration> {
        self.room().oldest().map(|since| now.saturating_duration_since(since))
    }

    /// Takes the room's lock: for reports, not for requests.
    pub fn totals(&self) -> Totals {
        self.room().totals()
    }

    /// Gives `permits` back. The warm path's other half.
    #[inline]
    pub(crate) fn release(&self, permits: u32) {
        let before = Word(self.state.fetch_sub(u64::from(permits) * ONE, Ordering::AcqRel));
        if before.waiters() {
            self.serve(self.room());
        }
    }

    /// The room, for a [`Wait`].
    pub(crate) fn room(&self) -> MutexGuard<'_, Room> {
        // Nothing panics under the lock; if it did, the queue would still be whole.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn take(&self) -> bool {
        if !self.unlimited.load(Ordering::Acquire) {
            return self.take_exactly();
        }
        if Word(self.state.fetch_add(ONE, Ordering::AcqRel)).open() {
            return true;
        }
        // The capacity changed under the hint.
        self.release(1);
        false
    }

    /// Looks before it adds, so that a slot that is free is never seen as taken by somebody who then did not get it.
    #[inline]
    fn take_exactly(&self) -> bool {
        let mut word = self.state.load(Ordering::Acquire);
        while Word(word).open() {
            match self.state.compare_exchange_weak(word, word + ONE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Gives free slots to the oldest, publishes the room's numbers, and calls the wakers once the lock is gone.
    pub(crate) fn serve(&self, mut room: MutexGuard<'_, Room>) {
        let mut called = Called::default();
        loop {
            let want = u32::try_from(room.len()).unwrap_or(u32::MAX);
            let got = self.take_for_waiters(want);
            for _ in 0..got {
                called.push(room.call().flatten());
            }
            if got < want || want == 0 {
                break;
            }
        }
        if room.is_empty() {
            self.state.fetch_and(!WAITERS, Ordering::AcqRel);
        }
        self.waiting.store(u32::try_from(room.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        drop(room);
        called.wake();
    }

    /// Up to `want` free slots for those who wait; the room's lock is held.
    fn take_for_waiters(&self, want: u32) -> u32 {
        let mut word = self.state.load(Ordering::Acquire);
        loop {
            let got = Word(word).free().min(want);
            if got == 0 {
                return 0;
            }
            let next = word + u64::from(got) * ONE;
            match self.state.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return got,
                Err(now) => word = now,
            }
        }
    }

    fn word(&self) -> Word {
        Word(self.state.load(Ordering::Acquire))
    }
}

impl AsRef<Gate> for Gate {
    fn as_ref(&self) -> &Gate {
        self
    }
}

#[cfg(test)]
mod tests;
