//! A connection and its socket: reads, has every frame taken in, writes what has been put, and ends. Knows no frame's effect.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::Limits;
use super::error::{By, Error, Reason};
use super::frame::{self, FrameHead};
use super::receive::Body;
use super::state::{Shared, Side, State};
use crate::buf::{Buf, Pool};

/// One connection; whoever owns it polls it, from one task.
pub struct Connection<T> {
    io: T,
    shared: Shared,
    pool: Rc<Pool>,
    /// What has been read and not taken in; none while nothing comes.
    buf: Option<Buf>,
    /// Of the client's first words, how many have come.
    preface: usize,
    /// DATA whose payload is coming.
    body: Option<Body>,
    /// Written bytes may still be held by the layer below.
    unflushed: bool,
    closing: bool,
    /// Our half is closed, with the last word said.
    shut: bool,
    /// How it ended.
    ended: Option<Result<(), Error>>,
}

impl<T> Connection<T> {
    pub(super) fn new(io: T, side: Side, limits: Limits, pool: &Rc<Pool>) -> Self {
        Self {
            io,
            shared: Rc::new(RefCell::new(State::new(side, limits, pool))),
            pool: pool.clone(),
            buf: None,
            preface: if side == Side::Server { 0 } else { frame::PREFACE.len() },
            body: None,
            unflushed: false,
            closing: false,
            shut: false,
            ended: None,
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The other side, to ask what it has heard.
    pub(super) fn peer(&self) -> &T {
        &self.io
    }

    fn give_back(&mut self) {
        if let Some(buf) = self.buf.take() {
            self.pool.give_back(buf);
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// Reads and writes until there is nothing to do, or until a stream has arrived; ready at the connection's end.
    pub(super) fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(ended) = self.ended {
            return Poll::Ready(ended);
        }
        {
            let mut state = self.shared.borrow_mut();
            state.listen(cx);
            state.awake = true;
        }
        loop {
            let written = match self.poll_write(cx) {
                Poll::Ready(Err(error)) => return self.hear_out(cx, error.into()),
                polled => polled.is_ready(),
            };
            {
                let mut state = self.shared.borrow_mut();
                if written && state.is_over() {
                    drop(state);
                    return self.poll_close(cx);
                }
                if !state.arrived.is_empty() {
                    return Poll::Pending;
                }
                state.flood.all_accepted();
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return self.end(self.at_end()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return self.end(Err(error.into())),
                Poll::Pending => {
                    self.shared.borrow_mut().awake = false;
                    return Poll::Pending;
                }
            }
            if let Err(reason) = self.take_in() {
                let mut state = self.shared.borrow_mut();
                let last = state.last_id;
                frame::put_goaway(last, reason, state.out.bytes(&self.pool));
                drop(state);
                // A peer that does not read may go without.
                let _ = self.poll_write(cx);
                self.shut = matches!(Pin::new(&mut self.io).poll_shutdown(cx), Poll::Ready(Ok(())));
                return self.end(Err(Error::GoAway(reason, By::Library)));
            }
        }
    }

    /// Nothing can be written any more; what the peer said before it closed still counts.
    fn hear_out(&mut self, cx: &mut Context<'_>, error: Error) -> Poll<Result<(), Error>> {
        while let Poll::Ready(Ok(1..)) = self.poll_read(cx) {
            if self.take_in().is_err() {
                break;
            }
        }
        self.end(Err(error))
    }

    /// The peer has closed its half: an end for us, in the middle of something or not.
    fn at_end(&self) -> Result<(), Error> {
        let begun = self.preface < frame::PREFACE.len() || self.body.is_some() || self.buf.is_some();
        // An endpoint that closes has left; a client that does is done.
        if begun || self.shared.borrow().side == Side::Client {
            Err(Error::Io(io::ErrorKind::UnexpectedEof))
        } else {
            Ok(())
        }
    }

    fn end(&mut self, how: Result<(), Error>) -> Poll<Result<(), Error>> {
        let error = how.err().unwrap_or(Error::Io(io::ErrorKind::BrokenPipe));
        self.shared.borrow_mut().end(error);
        self.give_back();
        self.ended = Some(how);
        Poll::Ready(how)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !std::mem::replace(&mut self.closing, true) {
            let mut state = self.shared.borrow_mut();
            if state.side == Side::Client && state.ended.is_none() {
                frame::put_goaway(0, Reason::NO_ERROR, state.out.bytes(&self.pool));
                drop(state);
                let _ = self.poll_write(cx);
            }
        }
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(shut) => {
                self.shut = shut.is_ok();
                self.end(Ok(()))
            }
        }
    }

    /// Whether it is we who have ended it, and the peer may still be sending: closing with unread bytes in the kernel would
    /// reset away what it has not read yet.
    pub fn has_shut(&self) -> bool {
        self.shut
    }

    /// After the end: reads and drops what the peer still sends, up to `most` bytes a poll; ready when it has closed as well.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<()> {
        let mut dropped = 0;
        while dropped < most {
            let read = std::task::ready!(self.poll_read(cx));
            self.give_back();
            match read {
                Ok(n @ 1..) => dropped += n,
                Ok(0) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    /// Ready when nothing is left to write.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut state = self.shared.borrow_mut();
            if state.out.is_empty() {
                break;
            }
            let n = match Pin::new(&mut self.io).poll_write(cx, state.out.pending()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => n,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            };
            self.unflushed = true;
            if state.out.wrote(n, &self.pool) {
                let starved = std::mem::take(&mut state.out.starved);
                let fed = std::mem::take(&mut state.out.fed);
                state.wake_senders(&starved);
                state.wake_senders(&fed);
            }
        }
        if self.unflushed {
            std::task::ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; an empty buffer is not kept while nothing comes.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buf = self.buf.take().unwrap_or_else(|| self.pool.lend());
        let polled = buf.poll_read(&mut self.io, cx);
        if buf.is_empty() {
            self.pool.give_back(buf);
        } else {
            self.buf = Some(buf);
        }
        polled
    }

    /// Takes in every frame that has come, and what has come of DATA.
    fn take_in(&mut self) -> Result<(), Reason> {
        let Some(mut buf) = self.buf.take() else { return Ok(()) };
        let taken = self.frames(&mut buf);
        if buf.is_empty() {
            self.pool.give_back(buf);
        } else {
            self.buf = Some(buf);
        }
        taken
    }

    fn frames(&mut self, buf: &mut Buf) -> Result<(), Reason> {
        let mut state = self.shared.borrow_mut();
        if let Some(rest) = frame::PREFACE.get(self.preface..).filter(|rest| !rest.is_empty()) {
            let n = rest.len().min(buf.len());
            if rest.get(..n) != buf.bytes().get(..n) {
                return Err(Reason::PROTOCOL_ERROR);
            }
            buf.consume(n);
            self.preface += n;
        }
        loop {
            if let Some(body) = &mut self.body {
                let n = body.left.min(buf.len());
                if n > 0 {
                    state.data(body.stream, buf.bytes().get(..n).unwrap_or_default());
                    buf.consume(n);
                    body.left -= n;
                }
                let n = body.padding.min(buf.len());
                if body.left == 0 && n > 0 {
                    state.padding(body.stream, n);
                    buf.consume(n);
                    body.padding -= n;
                }
                if body.left + body.padding > 0 {
                    return Ok(());
                }
                state.data_ends(body);
                self.body = None;
            }
            let bytes = buf.bytes();
            let Some(head) = FrameHead::read(bytes) else { break };
            if head.length > frame::MAX_PAYLOAD {
                return Err(Reason::FRAME_SIZE_ERROR);
            }
            if head.kind == frame::DATA {
                if state.block.is_some() || !state.heard_settings {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                let padded = head.has(frame::PADDED);
                let padding = match bytes.get(frame::HEAD) {
                    _ if !padded => None,
                    _ if head.length == 0 => return Err(Reason::FRAME_SIZE_ERROR),
                    None => break,
                    padding => padding.copied(),
                };
                self.body = Some(state.data_begins(&head, padding)?);
                buf.consume(frame::HEAD + usize::from(padded));
                continue;
            }
            let whole = frame::HEAD + head.length;
            let Some(payload) = bytes.get(frame::HEAD..whole) else { break };
            state.frame(&head, payload)?;
            buf.consume(whole);
        }
        if buf.is_full() {
            buf.grow(frame::HEAD + frame::MAX_PAYLOAD);
        }
        Ok(())
    }
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        self.shared.borrow_mut().end(Error::Io(io::ErrorKind::BrokenPipe));
        self.give_back();
    }
}
