//! Streams of ours: whether there is a place for one, and who waits for it. Knows no heads and no sockets.

use std::task::{Context, Poll};

use super::error::{By, Error, Reason};
use super::frame;
use super::state::{Goodbye, State};
use super::streams::Stream;

impl State {
    /// Whether there is a place for a stream of ours; an error is that there will be none.
    pub(crate) fn may_open(&self) -> Result<bool, Error> {
        match (self.ended, self.leaving) {
            (Some(error), _) => Err(error),
            (None, Some(reason)) => Err(Error::GoAway(reason, By::Remote)),
            _ if self.goodbye != Goodbye::None || self.next_id > frame::MOST => {
                Err(Error::GoAway(Reason::NO_ERROR, By::User))
            }
            _ => Ok(self.streams.open() < self.their_streams),
        }
    }

    /// Whether a stream can be opened now, for a handle whose place in the queue is `ticket`, 0 being none.
    pub(crate) fn poll_open(&mut self, ticket: &mut u64, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let may = self.may_open();
        if may != Ok(false) {
            self.leave_queue(std::mem::take(ticket), false);
            return Poll::Ready(may.map(|_| ()));
        }
        if let Some((_, waker)) = self.queue.iter_mut().find(|(place, _)| place == ticket) {
            waker.clone_from(cx.waker());
        } else {
            self.tickets += 1;
            *ticket = self.tickets;
            self.queue.push_back((self.tickets, cx.waker().clone()));
        }
        Poll::Pending
    }

    /// A handle does not wait any more. One that was called and does not come lets another go first.
    pub(crate) fn leave_queue(&mut self, ticket: u64, gives_up: bool) {
        if ticket == 0 {
            return;
        }
        match self.queue.iter().position(|(place, _)| *place == ticket) {
            Some(at) => drop(self.queue.remove(at)),
            None if gives_up => self.let_open(1),
            None => {}
        }
    }

    /// So many more may open a stream.
    pub(crate) fn let_open(&mut self, n: usize) {
        for _ in 0..n {
            let Some((_, waker)) = self.queue.pop_front() else { break };
            waker.wake();
        }
    }

    /// Takes a stream of ours into the list.
    pub(crate) fn new_stream(&mut self, id: u32) -> Stream {
        Stream::new(id, self.their_window, i64::from(self.limits.stream_window))
    }
}
