//! The client's side: a handle that opens streams, and one stream as a leg. Knows no pools.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Held;
use super::connection::Connection;
use super::error::{Error, Reason};
use super::state::Shared;
use super::streams::{Came, wait};
use super::write::Form;
use crate::h1::{BodyError, Framing};
use crate::head::Head;
use crate::leg::{Piece, Sink, Source, WireBytes};

/// Opens streams on a connection. When all are dropped the connection lets its streams end, and closes.
pub struct SendRequest {
    shared: Shared,
    /// Its place among those that wait, 0 being none.
    ticket: u64,
}

impl SendRequest {
    pub(super) fn new(shared: Shared) -> Self {
        shared.borrow_mut().openers += 1;
        Self { shared, ticket: 0 }
    }

    /// Whether a stream can be opened now, without waiting for it.
    pub fn is_ready(&self) -> Result<bool, Error> {
        self.shared.borrow().may_open()
    }

    /// Ready when a stream can be opened, at once.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.borrow_mut().poll_open(&mut self.ticket, cx)
    }
}

impl Clone for SendRequest {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone())
    }
}

impl Drop for SendRequest {
    fn drop(&mut self) {
        let mut state = self.shared.borrow_mut();
        state.openers -= 1;
        state.leave_queue(self.ticket, true);
        if state.openers == 0 && state.streams.open() == 0 {
            state.wake();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Connection<T> {
    type Output = Result<(), Error>;

    /// Moves all that is on the connection; ready at its end.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_work(cx)
    }
}

/// A request stream and the response that comes on it.
pub struct ClientStream {
    held: Held,
    answered: bool,
}

impl ClientStream {
    /// Opens a stream for an upgrade of HTTP/1.1: an extended CONNECT (RFC 8441), which is answered by 200 instead of 101.
    pub fn open_tunnel(send: &mut SendRequest, head: &Head, protocol: &str) -> Result<Self, Error> {
        Self::send(send, head, Form::Tunnel(protocol.as_bytes()), false)
    }

    /// Opens a stream for a CONNECT, which has an authority and no path.
    pub fn open_connect(send: &mut SendRequest, head: &Head) -> Result<Self, Error> {
        Self::send(send, head, Form::Connect, false)
    }

    /// Opens a stream with this request; the handle must be ready.
    pub fn open(send: &mut SendRequest, head: &Head, end: bool) -> Result<Self, Error> {
        Self::send(send, head, Form::Plain, end)
    }

    fn send(send: &SendRequest, head: &Head, form: Form<'_>, end: bool) -> Result<Self, Error> {
        let slot = send.shared.borrow_mut().open(head, form, end)?;
        let mut held = Held::new(send.shared.clone(), slot);
        held.sent_all = end;
        Ok(Self { held, answered: false })
    }

    /// What has passed on the wire.
    pub fn wire(&self) -> WireBytes {
        self.held.wire()
    }

    /// An interim response that has come, if any: 1xx except 101.
    pub fn poll_informational(&mut self, cx: &mut Context<'_>, head: &mut Head) -> Poll<bool> {
        let mut state = self.held.shared.borrow_mut();
        let state = &mut *state;
        let Some(stream) = state.streams.get(self.held.slot) else { return Poll::Ready(false) };
        if stream.interim.is_empty() {
            if stream.answered || stream.error.is_some() {
                return Poll::Ready(false);
            }
            stream.wait(wait::READ, cx);
            return Poll::Pending;
        }
        let mut came = stream.interim.remove(0);
        mem::swap(head, &mut came);
        state.pool.give_back_head(came);
        Poll::Ready(true)
    }

    /// The response's head, and how its body is framed for HTTP/1.1.
    pub fn poll_response(&mut self, cx: &mut Context<'_>, head: &mut Head) -> Poll<Result<Framing, Error>> {
        let mut state = self.held.shared.borrow_mut();
        let state = &mut *state;
        let Some(stream) = state.streams.get(self.held.slot) else {
            return Poll::Ready(Err(Reason::INTERNAL_ERROR.into()));
        };
        if let Some((mut came, Came::Response(response))) = stream.head.take() {
            // Those that nobody asked for are gone with it.
            stream.interim.clear();
            mem::swap(head, &mut came);
            state.pool.give_back_head(came);
            self.answered = true;
            return Poll::Ready(Ok(response.framing));
        }
        match stream.error {
            _ if self.answered => Poll::Ready(Err(Reason::INTERNAL_ERROR.into())),
            Some(error) => Poll::Ready(Err(error)),
            None => {
                stream.wait(wait::READ, cx);
                Poll::Pending
            }
        }
    }

    /// Whether the whole request has been handed over.
    pub fn has_sent_all(&self) -> bool {
        self.held.sent_all
    }

    /// Breaks the stream off.
    pub fn reset(&mut self) {
        self.held.reset(Reason::CANCEL);
    }
}

impl Source for ClientStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        if self.answered { self.held.poll_piece(cx) } else { Poll::Ready(Ok(Piece::End)) }
    }

    fn data(&self, n: usize) -> &[u8] {
        self.held.data(n)
    }

    fn consume(&mut self, n: usize) {
        self.held.consume(n);
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.held.trailers()
    }
}

impl Sink for ClientStream {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.held.poll_send(cx, data)
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        self.held.finish(trailers)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
