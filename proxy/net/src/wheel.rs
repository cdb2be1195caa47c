//! A hierarchical timer wheel, pure: ticks in, wakers out. Knows no clock.
//!
//! Six levels of 64 slots. A slot of level n spans 64^n ticks; an entry sits at the level of the highest digit (base 64)
//! in which its deadline differs from now, and moves down when time reaches its slot. Insert, remove, and moving a
//! deadline are O(1); entries are 40 bytes in one vector, linked by index.

use std::task::Waker;

/// Timers of one worker.
pub(crate) struct Wheel {
    /// The tick that was processed last.
    now: u64,
    /// First entry of each slot.
    slots: Box<[[u32; SLOTS]; LEVELS]>,
    /// Bit n: slot n of the level has entries.
    occupied: [u64; LEVELS],
    entries: Vec<Entry>,
    /// First unused entry; they are linked by `next`.
    free: u32,
    len: usize,
}

struct Entry {
    /// Tick at which it fires. May lie later than its slot says: see `postpone`.
    deadline: u64,
    next: u32,
    prev: Prev,
    waker: Option<Waker>,
}

/// What comes before an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prev {
    Entry(u32),
    /// It is the first of this slot.
    Slot(u8, u8),
    /// It is in no slot: fired, or unused.
    Loose,
}

/// 64^6 ticks of 8 ms are 17 years: no process meets the end.
const LEVELS: usize = 6;
const SLOTS: usize = 64;
const BITS: u32 = 6;
const NONE: u32 = u32::MAX;

impl Wheel {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now,
            slots: Box::new([[NONE; SLOTS]; LEVELS]),
            occupied: [0; LEVELS],
            entries: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// Entries that have not been removed.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry that fires when time reaches `deadline`; one in the past fires at the next tick. The key stays valid
    /// until `remove`, also after it fired.
    pub(crate) fn insert(&mut self, deadline: u64, waker: Waker) -> u32 {
        let deadline = self.future(deadline);
        let entry = Entry { deadline, next: NONE, prev: Prev::Loose, waker: Some(waker) };
        let key = if self.free == NONE {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let key = self.free;
            self.free = self.entries[key as usize].next;
            self.entries[key as usize] = entry;
            key
        };
        self.len += 1;
        self.link(key);
        key
    }

    /// Removes an entry; its waker is the caller's to drop.
    pub(crate) fn remove(&mut self, key: u32) -> Option<Waker> {
        self.unlink(key);
        let entry = &mut self.entries[key as usize];
        entry.next = self.free;
        self.free = key;
        self.len -= 1;
        entry.waker.take()
    }

    /// Whether the entry fired.
    pub(crate) fn fired(&self, key: u32) -> bool {
        self.entries[key as usize].prev == Prev::Loose
    }

    /// Sets a new deadline. A later one costs a store: the entry stays where it is and moves on when its old time comes.
    pub(crate) fn postpone(&mut self, key: u32, deadline: u64) {
        let deadline = self.future(deadline);
        let entry = &mut self.entries[key as usize];
        if entry.prev != Prev::Loose && deadline >= entry.deadline {
            entry.deadline = deadline;
            return;
        }
        self.unlink(key);
        self.entries[key as usize].deadline = deadline;
        self.link(key);
    }

    /// Whom the entry wakes; returns the one it woke before, for the caller to drop.
    pub(crate) fn set_waker(&mut self, key: u32, waker: &Waker) -> Option<Waker> {
        let slot = &mut self.entries[key as usize].waker;
        match slot {
            Some(known) if known.will_wake(waker) => None,
            _ => slot.replace(waker.clone()),
        }
    }

    /// The tick at which `advance` next has something to do: never later than the earliest deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        (0..LEVELS).find_map(|level| {
            // Slots of a level lie ahead of now's own digit, so the lowest occupied bit is the nearest; a lower level's
            // entries all come before a higher one's.
            let occupied = self.occupied[level];
            (occupied != 0).then(|| {
                let shift = BITS * level as u32;
                let above = self.now >> shift >> BITS << BITS;
                (above + u64::from(occupied.trailing_zeros())) << shift
            })
        })
    }

    /// Moves time on and hands out the wakers of what fired, slot by slot. Time never goes back.
    pub(crate) fn advance(&mut self, to: u64, fired: &mut Vec<Waker>) {
        while let Some(next) = self.next().filter(|&next| next <= to) {
            self.now = next;
            for level in (0..LEVELS).rev() {
                let shift = BITS * level as u32;
                if next & ((1 << shift) - 1) == 0 {
                    self.open(level, (next >> shift) as usize % SLOTS, fired);
                }
            }
        }
        self.now = self.now.max(to);
    }

    /// Empties one slot: entries whose time has come fire, the others are linked where they belong now.
    fn open(&mut self, level: usize, slot: usize, fired: &mut Vec<Waker>) {
        let mut key = std::mem::replace(&mut self.slots[level][slot], NONE);
        self.occupied[level] &= !(1 << slot);
        while key != NONE {
            let entry = &mut self.entries[key as usize];
            let next = entry.next;
            entry.prev = Prev::Loose;
            if entry.deadline <= self.now {
                fired.extend(entry.waker.take());
            } else {
                self.link(key);
            }
            key = next;
        }
    }

    /// A deadline the wheel can hold: after now, and before the highest digit overflows.
    fn future(&self, deadline: u64) -> u64 {
        let span = 1u64 << (BITS * LEVELS as u32);
        let last = (self.now / span + 1) * span - 1;
        deadline.clamp(self.now + 1, last.max(self.now + 1))
    }

    fn link(&mut self, key: u32) {
        let deadline = self.entries[key as usize].deadline;
        let differs = (deadline ^ self.now) | 1;
        let level = ((63 - differs.leading_zeros()) / BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (deadline >> (BITS * level as u32)) as usize % SLOTS;
        let next = std::mem::replace(&mut self.slots[level][slot], key);
        self.occupied[level] |= 1 << slot;
        if next != NONE {
            self.entries[next as usize].prev = Prev::Entry(key);
        }
        let entry = &mut self.entries[key as usize];
        entry.next = next;
        entry.prev = Prev::Slot(level as u8, slot as u8);
    }

    fn unlink(&mut self, key: u32) {
        let entry = &mut self.entries[key as usize];
        let next = entry.next;
        let prev = std::mem::replace(&mut entry.prev, Prev::Loose);
        match prev {
            Prev::Loose => return,
            Prev::Entry(prev) => self.entries[prev as usize].next = next,
            Prev::Slot(level, slot) => {
                let (level, slot) = (usize::from(level), usize::from(slot));
                self.slots[level][slot] = next;
                if next == NONE {
                    self.occupied[level] &= !(1 << slot);
                }
            }
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
    }
}

#[cfg(test)]
mod tests;
