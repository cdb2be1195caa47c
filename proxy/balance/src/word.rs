//! The gate's state in one word, so that entering and leaving are one atomic operation each. Knows nothing of waiters but
//! that there are some.

use crate::gate::Capacity;

/// Bits 0-31: permits in flight. Bits 32-62: capacity. Bit 63: somebody waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

/// Set while the waiting room is not empty, and written under its lock only. Whoever sees it on leaving must look into the
/// room; whoever sees it on entering must queue.
pub(crate) const WAITERS: u64 = 1 << 63;

/// One permit.
pub(crate) const ONE: u64 = 1;

const CAPACITY_SHIFT: u32 = 32;
/// The largest capacity, and the sign for none at all: no process has 2^31 requests in flight.
const UNLIMITED: u32 = u32::MAX >> 1;

impl Word {
    pub(crate) fn in_flight(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn waiters(self) -> bool {
        self.0 & WAITERS != 0
    }

    /// Permits that may still be given, whoever gets them.
    pub(crate) fn free(self) -> u32 {
        self.slots().saturating_sub(self.in_flight())
    }

    /// Whether a newcomer may pass.
    #[inline]
    pub(crate) fn open(self) -> bool {
        !self.waiters() && self.in_flight() < self.slots()
    }

    pub(crate) fn capacity(self) -> Capacity {
        match self.slots() {
            0 => Capacity::Closed,
            UNLIMITED => Capacity::Unlimited,
            slots => Capacity::Slots(slots),
        }
    }

    /// The same with another capacity.
    pub(crate) fn with_capacity(self, capacity: Capacity) -> Self {
        let slots = match capacity {
            Capacity::Closed => 0,
            Capacity::Slots(slots) => slots.min(UNLIMITED - 1),
            Capacity::Unlimited => UNLIMITED,
        };
        Self(self.0 & !(u64::from(UNLIMITED) << CAPACITY_SHIFT) | u64::from(slots) << CAPACITY_SHIFT)
    }

    fn slots(self) -> u32 {
        (self.0 >> CAPACITY_SHIFT) as u32 & UNLIMITED
    }
}
