//! A held stream, as source and as sink. Knows no heads but trailers.

use std::io;
use std::task::{Context, Poll};

use super::error::{By, Error, Reason};
use super::state::Shared;
use super::streams::wait;
use crate::h1::BodyError;
use crate::head::Head;
use crate::leg::{Piece, WireBytes};

/// One stream, held until dropped; whatever is not over then is reset.
pub(super) struct Held {
    pub(super) shared: Shared,
    pub(super) slot: u32,
    /// What has been taken of the body, and how much of it is used.
    piece: Vec<u8>,
    used: usize,
    /// The body has been read to its end.
    pub(super) read_all: bool,
    trailers: Option<Head>,
    /// Our half has been ended.
    pub(super) sent_all: bool,
}

impl Held {
    pub(super) fn new(shared: Shared, slot: u32) -> Self {
        Self { shared, slot, piece: Vec::new(), used: 0, read_all: false, trailers: None, sent_all: false }
    }

    pub(super) fn wire(&self) -> WireBytes {
        self.shared.borrow_mut().streams.get(self.slot).map(|stream| stream.wire).unwrap_or_default()
    }

    /// Why it ended before its time, if it did.
    pub(super) fn error(&self) -> Option<Error> {
        self.shared.borrow_mut().streams.get(self.slot).and_then(|stream| stream.error)
    }

    pub(super) fn poll_gone(&self, cx: &Context<'_>) -> Poll<Error> {
        let mut state = self.shared.borrow_mut();
        let Some(stream) = state.streams.get(self.slot) else { return Poll::Pending };
        match stream.error {
            Some(error) => Poll::Ready(error),
            None => {
                stream.wait(wait::GONE, cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn reset(&self, reason: Reason) {
        self.shared.borrow_mut().reset(self.slot, reason, By::User);
    }

    pub(super) fn poll_piece(&mut self, cx: &Context<'_>) -> Poll<Result<Piece, BodyError>> {
        if self.used < self.piece.len() {
            return Poll::Ready(Ok(Piece::Data(self.piece.len() - self.used)));
        }
        if self.read_all {
            return Poll::Ready(Ok(Piece::End));
        }
        let mut state = self.shared.borrow_mut();
        let state = &mut *state;
        let Some(stream) = state.streams.get(self.slot) else { return Poll::Ready(Ok(Piece::End)) };
        self.piece.clear();
        self.used = 0;
        if !stream.data.is_empty() {
            std::mem::swap(&mut self.piece, &mut stream.data);
            return Poll::Ready(Ok(Piece::Data(self.piece.len())));
        }
        if self.piece.capacity() > 0 {
            state.pool.give_back_out(std::mem::take(&mut self.piece));
        }
        if stream.recv_ended {
            self.read_all = true;
            self.trailers = stream.trailers.take();
            return Poll::Ready(Ok(Piece::End));
        }
        if let Some(error) = stream.error {
            return Poll::Ready(Err(error.into()));
        }
        stream.wait(wait::READ, cx);
        Poll::Pending
    }

    pub(super) fn data(&self, n: usize) -> &[u8] {
        self.piece.get(self.used..self.used + n).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, n: usize) {
        let n = n.min(self.piece.len() - self.used);
        self.used += n;
        // Only what has been passed on may come again: this is the back-pressure.
        self.shared.borrow_mut().free(self.slot, n);
    }

    pub(super) fn trailers(&self) -> Option<&Head> {
        self.trailers.as_ref()
    }

    pub(super) fn poll_send(&mut self, cx: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.shared.borrow_mut().put_data(self.slot, data, cx).map_err(io::Error::from)
    }

    pub(super) fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        if !std::mem::replace(&mut self.sent_all, true) {
            self.shared.borrow_mut().put_end(self.slot, trailers)?;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.shared.borrow_mut();
        state.release(self.slot, self.piece.len() - self.used);
        if self.piece.capacity() > 0 {
            state.pool.give_back_out(std::mem::take(&mut self.piece));
        }
        if let Some(trailers) = self.trailers.take() {
            state.pool.give_back_head(trailers);
        }
    }
}
