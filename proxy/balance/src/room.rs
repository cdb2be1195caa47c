//! The waiting room: who waits, in which order, within which bounds. Knows nothing of capacity; the gate guards it with a
//! lock that only waiting touches.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Instant;

/// How much may wait at one gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Requests; 0 = nobody waits.
    pub max_waiting: u32,
    /// Bytes of request bodies held for those that wait.
    pub max_bytes: u64,
}

/// Why a request may not wait, with the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("{waiting} bytes of requests wait and this one has {asked}, at most {limit} may")]
    Bytes { waiting: u64, asked: u64, limit: u64 },
    #[error("{waiting} requests wait, at most {limit} may")]
    Count { waiting: u32, limit: u32 },
}

/// The bounds, and the queue once somebody has waited: most gates of a large table never see one.
pub(crate) struct Room {
    pub(crate) bounds: Bounds,
    /// Stays when it is empty again: a ticket is never given out twice.
    queue: Option<Box<Queue>>,
}

/// Tickets rise, so a place is found by binary search; those who left stay as gaps until the front reaches them or gaps
/// outnumber people.
#[derive(Default)]
struct Queue {
    places: VecDeque<Place>,
    /// Places whose holder left.
    gaps: usize,
    bytes: u64,
    next: Ticket,
    totals: Totals,
}

/// What became of requests that could not run at once, since the gate was made. (Those that could are in the workers'
/// [`crate::Meter`]s; counting them here would cost a second atomic each.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Got a permit after waiting.
    pub admitted: u64,
    /// Went away while waiting.
    pub left: u64,
    /// Found the room full.
    pub refused: u64,
}

/// A place's number, over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

struct Place {
    ticket: Ticket,
    since: Instant,
    bytes: u64,
    /// `None` until the first poll.
    waker: Option<Waker>,
    left: bool,
}

/// Whether a ticket is still in the queue.
pub(crate) enum Standing {
    /// Its turn came: it holds a permit already.
    Granted,
    /// Still waiting. The waker the place had before is given out, to be dropped outside the lock.
    Waiting(Option<Waker>),
}

impl Room {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, queue: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.queue.as_ref().map_or(0, |queue| queue.bytes)
    }

    pub(crate) fn totals(&self) -> Totals {
        self.queue.as_ref().map_or_else(Totals::default, |queue| queue.totals)
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.places.capacity())
    }

    /// When the oldest came.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.queue.as_ref()?.places.iter().find(|place| !place.left).map(|place| place.since)
    }

    /// A place at the end.
    pub(crate) fn enter(&mut self, bytes: u64, since: Instant) -> Result<Ticket, Full> {
        let Bounds { max_waiting, max_bytes } = self.bounds;
        let waiting = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let queue = self.queue.get_or_insert_default();
        let full = if waiting >= max_waiting {
            Full::Count { waiting, limit: max_waiting }
        } else if queue.bytes.saturating_add(bytes) > max_bytes {
            Full::Bytes { waiting: queue.bytes, asked: bytes, limit: max_bytes }
        } else {
            return Ok(queue.push(bytes, since));
        };
        queue.totals.refused += 1;
        Err(full)
    }

    /// Whether it is still this ticket's fate to wait; if so, `waker` is called when its turn comes.
    pub(crate) fn standing(&mut self, ticket: Ticket, waker: &Waker) -> Standing {
        match self.queue.as_mut().and_then(|queue| queue.place(ticket)) {
            None => Standing::Granted,
            Some(place) if place.waker.as_ref().is_some_and(|known| known.will_wake(waker)) => {
                Standing::Waiting(None)
            }
            Some(place) => Standing::Waiting(place.waker.replace(waker.clone())),
        }
    }

    /// Leaves the queue; [`Standing::Granted`] when its turn had come already.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> Standing {
        let Some(queue) = &mut self.queue else { return Standing::Granted };
        let Some(place) = queue.place(ticket) else { return Standing::Granted };
        place.left = true;
        let (waker, bytes) = (place.waker.take(), place.bytes);
        queue.bytes -= bytes;
        queue.gaps += 1;
        queue.totals.left += 1;
        queue.close_gaps();
        Standing::Waiting(waker)
    }

    /// The oldest's turn: takes it out of the queue.
    pub(crate) fn call(&mut self) -> Option<Option<Waker>> {
        let queue = self.queue.as_mut()?;
        queue.close_gaps();
        let place = queue.places.pop_front()?;
        queue.bytes -= place.bytes;
        queue.totals.admitted += 1;
        Some(place.waker)
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    fn push(&mut self, bytes: u64, since: Instant) -> Ticket {
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        self.bytes += bytes;
        self.places.push_back(Place { ticket, since, bytes, waker: None, left: false });
        ticket
    }

    fn place(&mut self, ticket: Ticket) -> Option<&mut Place> {
        let at = self.places.binary_search_by_key(&ticket, |place| place.ticket).ok()?;
        self.places.get_mut(at).filter(|place| !place.left)
    }

    /// Drops gaps at the front at once, those behind when they are more than half: constant work per leaver on average.
    fn close_gaps(&mut self) {
        while self.places.front().is_some_and(|place| place.left) {
            self.places.pop_front();
            self.gaps -= 1;
        }
        if self.gaps > self.places.len() / 2 {
            self.places.retain(|place| !place.left);
            self.gaps = 0;
        }
        if self.places.len() < self.places.capacity() / 4 && self.places.capacity() > KEPT {
            self.places.shrink_to((self.places.len() * 2).max(KEPT));
        }
    }
}

/// Wakers to call; one needs no memory.
#[derive(Default)]
pub(crate) struct Called {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Called {
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        match (&self.first, waker) {
            (_, None) => {}
            (None, first) => self.first = first,
            (Some(_), Some(waker)) => self.rest.push(waker),
        }
    }

    pub(crate) fn wake(self) {
        self.first.into_iter().chain(self.rest).for_each(Waker::wake);
    }
}

/// Places a room keeps memory for in any case; a burst's thousands go back.
const KEPT: usize = 16;
