//! The sending side of a leg: heads and bodies gathered into few writes. Knows no routing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::Leg;
use crate::buf::SIZE;
use crate::h1::body::{Framing, Outgoing};
use crate::h1::write::{self, Persist};
use crate::head::{Head, Version};
use crate::leg::{Sink, WireBytes};

impl Leg {
    fn writing(&mut self) -> &mut Vec<u8> {
        if self.out.capacity() == 0 {
            self.out = self.pool.lend_out();
            self.at = 0;
        }
        &mut self.out
    }

    /// Begins a request; nothing is written before [`Sink::poll_flush`] or a body that fills the buffer.
    pub fn start_request(&mut self, head: &Head, framing: Framing) {
        let before = self.writing().len();
        let proper = self.proper;
        write::write_request(head, framing, proper, self.writing());
        let sent = (self.out.len() - before) as u64;
        self.wire = WireBytes { sent, head_sent: sent, ..WireBytes::default() };
        self.outgoing = framing.into();
    }

    /// Begins a response; nothing is written before [`Sink::poll_flush`] or a body that fills the buffer.
    pub fn start_response(&mut self, head: &Head, framing: Framing, persist: Persist, to: Version) {
        let before = self.writing().len();
        let proper = self.proper;
        write::write_response(head, framing, persist, to, proper, self.writing());
        let sent = (self.out.len() - before) as u64;
        self.wire.sent += sent;
        self.wire.head_sent += sent;
        self.outgoing = framing.into();
    }

    /// Writes what is held and then some of `data`, in one system call where the transport takes that much: a head and the
    /// first piece of a large body.
    fn poll_write_after_held(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        while let Some(held) = self.out.get(self.at..)
            && !held.is_empty()
        {
            let pieces = [IoSlice::new(held), IoSlice::new(data)];
            let wrote = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &pieces))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_data = wrote.saturating_sub(held.len());
            self.at += wrote - of_data;
            if of_data > 0 {
                self.release();
                return Poll::Ready(Ok(of_data));
            }
        }
        self.release();
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    /// Gives the buffer of what was written back.
    fn release(&mut self) {
        if self.out.capacity() > 0 {
            self.pool.give_back_out(std::mem::take(&mut self.out));
            self.at = 0;
        }
    }

    /// Whether the names of fields are written with a capital at the start of each word.
    pub fn write_proper_case(&mut self, proper: bool) {
        self.proper = proper;
    }

    /// Adds bytes that stand by themselves: an interim response.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.writing().extend_from_slice(bytes);
    }

    /// Closes the sending half, once everything is flushed.
    pub fn shutdown(&mut self) {
        self.io.shutdown();
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
                let before = self.writing().len();
                write::write_chunk(data, self.writing());
                self.wire.sent += (self.out.len() - before) as u64;
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
            ready!(self.poll_write_after_held(cx, data))?
        };
        self.wire.sent += n as u64;
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
            Outgoing::Chunked => {
                let before = self.writing().len();
                write::write_last_chunk(trailers, self.writing());
                self.wire.sent += (self.out.len() - before) as u64;
            }
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
        self.release();
        // A plain socket holds nothing back: for it this is a branch.
        Pin::new(&mut self.io).poll_flush(cx)
    }
}
