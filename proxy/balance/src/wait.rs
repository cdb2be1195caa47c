//! A place in a gate's queue as a future. Knows nothing of time limits: whoever has one drops it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::gate::Gate;
use crate::permit::Permit;
use crate::room::{Standing, Ticket};

/// Becomes a [`Permit`] in its turn. Dropping it leaves the queue at once; if its turn had come, the permit goes to the next.
#[must_use = "dropping a wait leaves the queue"]
pub struct Wait<G: AsRef<Gate> = Arc<Gate>> {
    gate: Option<G>,
    place: Place,
    since: Instant,
}

#[derive(Clone, Copy)]
enum Place {
    /// There was a free slot when it came; it is taken.
    Granted,
    /// In the queue, or called from it: the room knows.
    Queued(Ticket),
}

impl<G: AsRef<Gate>> Wait<G> {
    pub(crate) fn granted(gate: G, since: Instant) -> Self {
        Self { gate: Some(gate), place: Place::Granted, since }
    }

    pub(crate) fn queued(gate: G, ticket: Ticket, since: Instant) -> Self {
        Self { gate: Some(gate), place: Place::Queued(ticket), since }
    }

    /// When it began, as [`Gate::wait`] was told.
    pub fn since(&self) -> Instant {
        self.since
    }
}

impl<G: AsRef<Gate>> Future for Wait<G> {
    type Output = Permit<G>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<G>> {
        // A wait that is over stays pending, as a fused future does.
        let Some(gate) = &self.gate else { return Poll::Pending };
        if let Place::Queued(ticket) = self.place {
            let standing = gate.as_ref().room().standing(ticket, cx.waker());
            match standing {
                Standing::Granted => {}
                // An old waker dies here, outside the lock: it may own a task, and that another wait.
                Standing::Waiting(_old) => return Poll::Pending,
            }
        }
        match self.gate.take() {
            Some(gate) => Poll::Ready(Permit::of(gate)),
            None => Poll::Pending,
        }
    }
}

// Nothing in it is ever pinned.
impl<G: AsRef<Gate>> Unpin for Wait<G> {}

impl<G: AsRef<Gate>> Drop for Wait<G> {
    fn drop(&mut self) {
        let Some(gate) = &self.gate else { return };
        let gate = gate.as_ref();
        let Place::Queued(ticket) = self.place else { return gate.release(1) };
        let mut room = gate.room();
        match room.leave(ticket) {
            Standing::Granted => {
                drop(room);
                gate.release(1);
            }
            Standing::Waiting(_waker) => gate.serve(room),
        }
    }
}
