//! The leg towards the client, as an exchange needs it, over both protocols. Knows no routing.

use std::io;
use std::task::{Context, Poll};

use crate::h1::{Framing, Gone, Leg, Persist};
use crate::h2::{Reason, ServerStream};
use crate::head::{Head, Version};
use crate::leg::{Sink, Source, WireBytes};

/// How a client that is gone went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Its connection ended.
    Connection,
    /// It reset its stream.
    Reset,
    /// The same, by REFUSED_STREAM.
    Refused,
    /// Its stream was reset for what it sent.
    Broken,
}

/// A client whose request is being served.
pub trait Client: Source + Sink {
    /// Begins the response. `framing` is what HTTP/1.1 would need; `persist` is meaningless in HTTP/2.
    fn respond(&mut self, head: &Head, framing: Framing, persist: Persist, to: Version) -> io::Result<()>;
    /// Sends an interim response.
    fn inform(&mut self, head: &Head) -> io::Result<()>;
    /// Ready when the client closes or breaks off while its request is being served.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone>;
    /// Whether a client that closed its half has turned out to be gone altogether.
    fn is_broken(&self) -> bool;
    /// What has passed on the wire for this exchange.
    fn wire(&self) -> WireBytes;
    /// How it went, once it is gone.
    fn left(&mut self) -> Left;
    /// Whether the request's body has been read.
    fn has_read_all(&self) -> bool;
    /// Bytes of the body that are here already; all of it if `n` of them are.
    fn buffered(&self) -> usize;
    /// Ends the exchange without an end: the client must see that the response is not whole.
    fn abort(&mut self);
    /// Says yes to an upgrade: from here on bodies are what comes until either side closes.
    fn open_tunnel(&mut self, head: &Head) -> io::Result<()>;
    /// Closes our half of a tunnel.
    fn shutdown(&mut self);
}

impl Client for Leg {
    fn respond(&mut self, head: &Head, framing: Framing, persist: Persist, to: Version) -> io::Result<()> {
        self.start_response(head, framing, persist, to);
        Ok(())
    }

    fn inform(&mut self, head: &Head) -> io::Result<()> {
        self.start_response(head, Framing::None, Persist::Default, Version::H11);
        Ok(())
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        Leg::poll_gone(self, cx)
    }

    fn is_broken(&self) -> bool {
        !matches!(self.io().tcp().take_error(), Ok(None))
    }

    fn wire(&self) -> WireBytes {
        Leg::wire(self)
    }

    fn left(&mut self) -> Left {
        Left::Connection
    }

    fn has_read_all(&self) -> bool {
        Leg::has_read_all(self)
    }

    fn buffered(&self) -> usize {
        Leg::buffered(self)
    }

    fn abort(&mut self) {
        // The connection is dropped by its owner; nothing more may be written.
    }

    fn open_tunnel(&mut self, head: &Head) -> io::Result<()> {
        self.start_response(head, Framing::None, Persist::Default, Version::H11);
        Leg::tunnel(self);
        Ok(())
    }

    fn shutdown(&mut self) {
        Leg::shutdown(self);
    }
}

impl Client for ServerStream {
    fn respond(&mut self, head: &Head, framing: Framing, _: Persist, _: Version) -> io::Result<()> {
        self.start_response(head, matches!(framing, Framing::None | Framing::Unsent | Framing::Length(0)))
    }

    fn inform(&mut self, head: &Head) -> io::Result<()> {
        ServerStream::inform(self, head)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        ServerStream::poll_gone(self, cx).map(|()| Gone::Broken)
    }

    fn is_broken(&self) -> bool {
        false
    }

    fn wire(&self) -> WireBytes {
        ServerStream::wire(self)
    }

    fn left(&mut self) -> Left {
        match self.ended_by() {
            Some((Reason::REFUSED_STREAM, true)) => Left::Refused,
            Some((_, true)) => Left::Reset,
            Some((_, false)) => Left::Broken,
            None => Left::Connection,
        }
    }

    fn has_read_all(&self) -> bool {
        ServerStream::has_read_all(self)
    }

    fn buffered(&self) -> usize {
        0
    }

    fn abort(&mut self) {
        self.reset(Reason::INTERNAL_ERROR);
    }

    fn open_tunnel(&mut self, head: &Head) -> io::Result<()> {
        ServerStream::open_tunnel(self, head)
    }

    fn shutdown(&mut self) {}
}
