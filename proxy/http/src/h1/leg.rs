//! One HTTP/1.1 connection, either side: heads and bodies read and written on a socket, buffers lent only while they hold
//! bytes. Knows no routing and no timers.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::body::{BodyError, Framing, Incoming, Outgoing};
use super::chunk::{BadChunk, Then};
use super::parse::{self, Limits, Reject, RequestMeta, ResponseMeta};
use super::write::{self, Persist};
use crate::buf::{Buf, Pool, SIZE};
use crate::head::{Head, Version};
use crate::leg::{Piece, Sink, Source};

/// Why a head could not be had.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum HeadError {
    #[error("{0}")]
    Reject(#[from] Reject),
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
    io: TcpStream,
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
}

impl Leg {
    /// A leg on a connected socket, with what a protocol sniffer has read of it already.
    pub fn new(io: TcpStream, pool: Rc<Pool>, first: Option<Buf>) -> Self {
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
        }
    }

    /// The socket, to ask for addresses and options.
    pub fn io(&self) -> &TcpStream {
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
    pub fn is_quiet(&self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.inbuf.is_none() && !self.eof && self.io.poll_read_ready(&mut cx).is_pending()
    }

    /// The same by asking the kernel: one system call, for requests that must not be sent twice.
    pub fn is_quiet_now(&self) -> bool {
        let mut byte = [0u8; 1];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.is_quiet()
            && matches!(self.io.poll_peek(&mut cx, &mut tokio::io::ReadBuf::new(&mut byte)), Poll::Pending)
    }

    // === heads

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
        if let Some(buf) = &mut self.inbuf {
            buf.consume(n);
            if buf.is_empty()
                && let Some(buf) = self.inbuf.take()
            {
                self.pool.give_back(buf);
            }
        }
    }

    /// Reads until `parse` succeeds; `None` is a clean end before the first byte.
    fn poll_head<M>(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        mut parse: impl FnMut(&[u8]) -> Result<Option<(usize, M)>, Reject>,
    ) -> Poll<Result<Option<M>, HeadError>> {
        let mut fresh = self.inbuf.is_some();
        loop {
            if fresh && let Some((n, meta)) = parse(self.peek())? {
                self.drop_bytes(n);
                return Poll::Ready(Ok(Some(meta)));
            }
            if let Some(buf) = &mut self.inbuf
                && buf.is_full()
                && !buf.grow(limit + SIZE)
            {
                return Poll::Ready(Err(Reject::TooLarge.into()));
            }
            let n = ready!(self.poll_fill(cx))?;
            if n == 0 {
                return Poll::Ready(if self.buffered() == 0 { Ok(None) } else { Err(HeadError::Truncated) });
            }
            // A head can only be complete when a line has ended; a byte-wise sender costs one scan, not one parse, a byte.
            let bytes = self.peek();
            fresh = bytes.get(bytes.len() - n..).is_some_and(|new| memchr::memchr(b'\n', new).is_some())
                || bytes.len() >= limit;
        }
    }

    /// The next request's head; `None` when the client closed between requests.
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut Head,
        limits: &Limits,
    ) -> Poll<Result<Option<RequestMeta>, HeadError>> {
        let polled = self.poll_head(cx, limits.head_bytes, |bytes| parse::parse_request(bytes, head, limits));
        if let Poll::Ready(Ok(Some(meta))) = &polled {
            self.incoming = meta.framing.into();
            self.trailers = None;
        }
        polled
    }

    /// The next response head, interim ones included.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut Head,
        limits: &Limits,
        to_head: bool,
    ) -> Poll<Result<ResponseMeta, HeadError>> {
        let parse = |bytes: &[u8]| parse::parse_response(bytes, head, limits, to_head);
        match ready!(self.poll_head(cx, limits.head_bytes, parse)) {
            Ok(Some(meta)) => {
                self.incoming = meta.framing.into();
                self.trailers = None;
                Poll::Ready(Ok(meta))
            }
            Ok(None) => Poll::Ready(Err(HeadError::Truncated)),
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    fn writing(&mut self) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = self.pool.lend_out();
            self.at = 0;
        }
        &mut self.out
    }

    /// Begins a request; nothing is written before [`Sink::poll_flush`] or a body that fills the buffer.
    pub fn start_request(&mut self, head: &Head, framing: Framing) {
        write::write_request(head, framing, self.writing());
        self.outgoing = framing.into();
    }

    /// Begins a response; nothing is written before [`Sink::poll_flush`] or a body that fills the buffer.
    pub fn start_response(&mut self, head: &Head, framing: Framing, persist: Persist, to: Version) {
        write::write_response(head, framing, persist, to, self.writing());
        self.outgoing = framing.into();
    }

    /// Adds bytes that stand by themselves: an interim response.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.writing().extend_from_slice(bytes);
    }

    /// Turns the connection into a tunnel: from here on bodies are what comes until either side closes.
    pub fn tunnel(&mut self) {
        self.incoming = Incoming::Close;
        self.outgoing = Outgoing::Close;
    }

    /// Closes the sending half, once everything is flushed.
    pub fn shutdown(&mut self) {
        let _ = socket_shutdown(&self.io);
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
            match ready!(self.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Gone::HalfClosed),
                Ok(_) => {}
                Err(_) => return Poll::Ready(Gone::Broken),
            }
        }
    }
}

impl Leg {
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

fn socket_shutdown(io: &TcpStream) -> io::Result<()> {
    // tokio's own shutdown is a poll function that always completes at once for TCP.
    let std = socket2::SockRef::from(io);
    std.shutdown(Shutdown::Write)
}

impl Source for Leg {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        loop {
            let have = self.buffered();
            match &mut self.incoming {
                Incoming::Done => return Poll::Ready(Ok(Piece::End)),
                Incoming::Length(left) if have > 0 => {
                    return Poll::Ready(Ok(Piece::Data((*left).min(have as u64) as usize)));
                }
                Incoming::Close if have > 0 => return Poll::Ready(Ok(Piece::Data(have))),
                Incoming::Chunked(chunks) if have > 0 => {
                    let bytes = self.inbuf.as_ref().map(Buf::bytes).unwrap_or_default();
                    let step = chunks.step(bytes)?;
                    let trailers =
                        matches!(step.then, Then::End).then(|| std::mem::take(&mut chunks.trailers));
                    self.drop_bytes(step.skip);
                    match (step.then, trailers) {
                        (Then::Data(n), _) => return Poll::Ready(Ok(Piece::Data(n))),
                        (Then::End, trailers) => {
                            self.incoming = Incoming::Done;
                            self.trailers = parse_trailers(&trailers.unwrap_or_default())?;
                            return Poll::Ready(Ok(Piece::End));
                        }
                        (Then::More, _) => {}
                    }
                }
                _ => {}
            }
            if ready!(self.poll_fill(cx))? == 0 {
                if matches!(self.incoming, Incoming::Close) {
                    self.incoming = Incoming::Done;
                    return Poll::Ready(Ok(Piece::End));
                }
                return Poll::Ready(Err(BodyError::Truncated));
            }
        }
    }

    fn data(&self, n: usize) -> &[u8] {
        self.peek().get(..n).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        match &mut self.incoming {
            Incoming::Length(left) => {
                *left = left.saturating_sub(n as u64);
                if *left == 0 {
                    self.incoming = Incoming::Done;
                }
            }
            Incoming::Chunked(chunks) => chunks.took(n),
            Incoming::Done | Incoming::Close => {}
        }
        self.drop_bytes(n);
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.trailers.as_deref()
    }
}

fn parse_trailers(lines: &[u8]) -> Result<Option<Box<Head>>, BadChunk> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut table = [httparse::EMPTY_HEADER; 32];
    match httparse::parse_headers(lines, &mut table) {
        Ok(httparse::Status::Complete((_, headers))) => {
            let mut head = Box::<Head>::default();
            for h in headers {
                head.push(h.name.to_ascii_lowercase().as_bytes(), h.value);
            }
            Ok(Some(head))
        }
        _ => Err(BadChunk::Trailers),
    }
}

impl Sink for Leg {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let limit = match self.outgoing {
            Outgoing::Done => return Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
            Outgoing::Chunked => {
                if self.out.len() - self.at >= SIZE {
                    ready!(self.poll_flush(cx))?;
                }
                write::write_chunk(data, self.writing());
                return Poll::Ready(Ok(data.len()));
            }
            Outgoing::Length(left) => left.min(data.len() as u64) as usize,
            Outgoing::Close => data.len(),
        };
        let data = data.get(..limit).unwrap_or_default();
        let n = if !self.out.is_empty() && self.out.len() + data.len() <= SIZE {
            // A head waits: the start of its body leaves in the same segment.
            self.out.extend_from_slice(data);
            data.len()
        } else {
            ready!(self.poll_flush(cx))?;
            ready!(Pin::new(&mut self.io).poll_write(cx, data))?
        };
        if let Outgoing::Length(left) = &mut self.outgoing {
            *left -= n as u64;
            if *left == 0 {
                self.outgoing = Outgoing::Done;
            }
        }
        Poll::Ready(Ok(n))
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        match std::mem::take(&mut self.outgoing) {
            Outgoing::Chunked => write::write_last_chunk(trailers, self.writing()),
            Outgoing::Length(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Outgoing::Done | Outgoing::Close => {}
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.at..)
            && !rest.is_empty()
        {
            match ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.at += n,
            }
        }
        if self.out.capacity() > 0 {
            self.pool.give_back_out(std::mem::take(&mut self.out));
            self.at = 0;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
