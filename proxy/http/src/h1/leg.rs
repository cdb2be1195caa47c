//! One HTTP/1.1 connection, either side: heads and bodies read and written on a socket, buffers lent only while they hold
//! bytes. Knows no routing and no timers.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use forebay_net::Stream;
use thiserror::Error;

use super::body::{Incoming, Outgoing};
use super::parse::Reject;
use crate::buf::{Buf, Pool};
use crate::head::Head;
use crate::leg::WireBytes;

mod receive;
mod send;

/// Why a head could not be had.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum HeadError {
    #[error("{0}")]
    Reject(#[from] Reject),
    #[error("the connection closed before the head")]
    Closed,
    #[error("the connection closed in the middle of the head")]
    Truncated,
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What became of a peer that is being watched while its exchange waits.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Gone {
    /// It closed its sending half: it may be gone, or may just have nothing more to say.
    HalfClosed,
    /// The connection is broken.
    Broken,
}

/// A connection and where it stands in its current exchange.
pub struct Leg {
    io: Stream,
    pool: Rc<Pool>,
    /// Bytes read and not consumed; `None` while there are none.
    inbuf: Option<Buf>,
    /// Bytes taken and not yet written, from `at` on; without capacity while there are none.
    out: Vec<u8>,
    at: usize,
    incoming: Incoming,
    outgoing: Outgoing,
    trailers: Option<Box<Head>>,
    eof: bool,
    /// Names are written in proper case.
    proper: bool,
    wire: WireBytes,
}

impl Leg {
    /// A leg on a connected socket, with what a protocol sniffer has read of it already.
    pub fn new(io: Stream, pool: Rc<Pool>, first: Option<Buf>) -> Self {
        Self {
            io,
            pool,
            inbuf: first,
            out: Vec::new(),
            at: 0,
            incoming: Incoming::Done,
            outgoing: Outgoing::Done,
            trailers: None,
            eof: false,
            proper: false,
            wire: WireBytes::default(),
        }
    }

    /// What has passed on the wire for this exchange, which begins with its request's head.
    pub fn wire(&self) -> WireBytes {
        self.wire
    }

    /// The connection below, to ask for addresses and options.
    pub fn io(&self) -> &Stream {
        &self.io
    }

    /// Whether the connection could carry another exchange: everything read, everything written, nothing unexpected.
    pub fn is_idle(&self) -> bool {
        matches!(self.incoming, Incoming::Done)
            && self.outgoing == Outgoing::Done
            && self.out.is_empty()
            && self.inbuf.is_none()
            && !self.eof
    }

    /// Whether the request or response body has been read to its end.
    pub fn has_read_all(&self) -> bool {
        matches!(self.incoming, Incoming::Done)
    }

    /// Whether the body being sent has been ended; what of it is still to be flushed does not matter here.
    pub fn has_sent_all(&self) -> bool {
        self.outgoing == Outgoing::Done
    }

    /// Bytes read ahead: the start of the body, or a pipelined request.
    pub fn buffered(&self) -> usize {
        self.inbuf.as_ref().map_or(0, Buf::len)
    }

    /// What was read ahead.
    pub fn peek(&self) -> &[u8] {
        self.inbuf.as_ref().map(Buf::bytes).unwrap_or_default()
    }

    /// Whether an idle connection is still open and silent, by what the reactor has already heard: no system call.
    pub fn is_quiet(&mut self) -> bool {
        self.inbuf.is_none() && !self.eof && self.io.is_quiet()
    }

    /// The same by asking the kernel: one system call, for requests that must not be sent twice.
    pub fn is_quiet_now(&mut self) -> bool {
        self.inbuf.is_none() && !self.eof && self.io.is_quiet_now()
    }

    /// Reads once more; `Ok(0)` is the end of the stream. The buffer goes back to the pool while nothing is there.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.eof {
            return Poll::Ready(Ok(0));
        }
        let mut buf = self.inbuf.take().unwrap_or_else(|| self.pool.lend());
        let polled = buf.poll_read(&mut self.io, cx);
        if buf.is_empty() {
            self.pool.give_back(buf);
        } else {
            self.inbuf = Some(buf);
        }
        let n = ready!(polled)?;
        self.eof = n == 0;
        Poll::Ready(Ok(n))
    }

    fn drop_bytes(&mut self, n: usize) {
        self.wire.received += n as u64;
        if let Some(buf) = &mut self.inbuf {
            buf.consume(n);
            if buf.is_empty()
                && let Some(buf) = self.inbuf.take()
            {
                self.pool.give_back(buf);
            }
        }
    }

    /// Turns the connection into a tunnel: from here on bodies are what comes until either side closes.
    pub fn tunnel(&mut self) {
        self.incoming = Incoming::Close;
        self.outgoing = Outgoing::Close;
    }

    /// Watches a peer whose exchange waits for something else: reads ahead (a pipelined request, a body's start) up to one
    /// buffer, and says when the peer closes or breaks.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        loop {
            if self.eof {
                return Poll::Ready(Gone::HalfClosed);
            }
            if self.inbuf.as_ref().is_some_and(Buf::is_full) {
                return Poll::Pending;
            }
            // Most peers have nothing to say while they wait: that takes no buffer.
            ready!(self.io.poll_readable(cx));
            match ready!(self.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Gone::HalfClosed),
                Ok(_) => {}
                Err(_) => return Poll::Ready(Gone::Broken),
            }
        }
    }

    /// Reads and drops up to `most` bytes; ready at the end of the stream, or when that many have gone.
    pub fn poll_discard(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<()> {
        let mut dropped = 0;
        loop {
            let n = self.buffered();
            self.drop_bytes(n);
            dropped += n;
            if dropped >= most || !matches!(ready!(self.poll_fill(cx)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        if let Some(buf) = self.inbuf.take() {
            self.pool.give_back(buf);
        }
        self.pool.give_back_out(std::mem::take(&mut self.out));
    }
}

#[cfg(test)]
mod tests;
