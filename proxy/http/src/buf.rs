//! Read buffers of one worker, lent while a message is in flight and given back when a connection idles. Knows no HTTP.
//!
//! A connection that waits for its next request holds no buffer at all: [`Pool::lend`] happens at the poll that reads, and a
//! read that is Pending gives the buffer back. That is what keeps an idle connection below 1 KiB.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::head::Head;

/// 16 KiB: one TLS record, and a head of ordinary size with the start of its body; larger reads save no system call on
/// small messages, and bodies above it are relayed in steps of it.
pub const SIZE: usize = 16 * 1024;

/// How many spare buffers a worker keeps (4 MiB); above it they go back to the allocator, so a burst does not stay resident.
const SPARE: usize = 256;

/// A worker's spare buffers.
#[derive(Default)]
pub struct Pool {
    spare: RefCell<Vec<Vec<u8>>>,
    outs: RefCell<Vec<Vec<u8>>>,
    heads: RefCell<Vec<Head>>,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    /// A buffer of [`SIZE`] bytes.
    pub fn lend(&self) -> Buf {
        let data = self.spare.borrow_mut().pop().unwrap_or_else(|| vec![0; SIZE]);
        Buf { data, start: 0, end: 0 }
    }

    /// Takes a buffer back. One that has grown is shrunk by dropping it: growth is the exception.
    pub fn give_back(&self, buf: Buf) {
        let mut spare = self.spare.borrow_mut();
        if buf.data.len() == SIZE && spare.len() < SPARE {
            spare.push(buf.data);
        }
    }

    /// An empty vector to write heads and small bodies into.
    pub fn lend_out(&self) -> Vec<u8> {
        self.outs.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(SIZE))
    }

    /// Takes such a vector back.
    pub fn give_back_out(&self, mut out: Vec<u8>) {
        let mut outs = self.outs.borrow_mut();
        if out.capacity() > 0 && out.capacity() <= 4 * SIZE && outs.len() < SPARE {
            out.clear();
            outs.push(out);
        }
    }

    /// An empty head.
    pub(crate) fn lend_head(&self) -> Head {
        self.heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes one back.
    pub(crate) fn give_back_head(&self, head: Head) {
        let mut heads = self.heads.borrow_mut();
        if (1..=SIZE).contains(&head.capacity()) && heads.len() < SPARE {
            heads.push(head);
        }
    }

    /// Gives what is spare to the allocator: a worker that idles holds nothing.
    pub fn trim(&self) {
        *self.spare.borrow_mut() = Vec::new();
        *self.outs.borrow_mut() = Vec::new();
        *self.heads.borrow_mut() = Vec::new();
    }

    /// Spare buffers held now.
    pub fn spare(&self) -> usize {
        self.spare.borrow().len()
    }
}

/// Bytes read and not yet consumed: `start..end` of a fixed block.
pub struct Buf {
    data: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    /// What is read and not consumed.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    /// How many bytes that is.
    #[inline]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether nothing is left to consume.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `n` bytes (at most what is there).
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Whether a read would find no room.
    pub fn is_full(&self) -> bool {
        self.len() == self.data.len()
    }

    /// Makes room beyond [`SIZE`], up to `limit` bytes in all; false when the limit is reached.
    pub fn grow(&mut self, limit: usize) -> bool {
        self.compact();
        if self.end < self.data.len() {
            return true;
        }
        if self.data.len() >= limit {
            return false;
        }
        let to = (self.data.len() * 2).min(limit.max(SIZE));
        self.data.resize(to, 0);
        true
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Reads once into the free space; 0 is the end of the stream. The caller makes sure there is room.
    #[inline]
    pub fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.end == self.data.len() {
            self.compact();
        }
        let Some(room) = self.data.get_mut(self.end..) else { return Poll::Ready(Ok(0)) };
        let mut into = ReadBuf::new(room);
        ready!(Pin::new(io).poll_read(cx, &mut into))?;
        let n = into.filled().len();
        self.end += n;
        Poll::Ready(Ok(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_lends_again_what_it_got_back_and_drops_what_has_grown() {
        let pool = Pool::new();
        let mut grown = pool.lend();
        assert!(!grown.is_full());
        grown.end = SIZE;
        assert!(grown.is_full() && grown.grow(SIZE * 4) && !grown.grow(SIZE * 2 - 1) || !grown.is_full());
        pool.give_back(grown);
        assert_eq!(pool.spare(), 0);
        let plain = pool.lend();
        pool.give_back(plain);
        assert_eq!(pool.spare(), 1);
    }

    #[test]
    fn consuming_everything_rewinds() {
        let mut buf = Pool::new().lend();
        buf.end = 10;
        buf.consume(4);
        assert_eq!((buf.len(), buf.start), (6, 4));
        buf.consume(99);
        assert_eq!((buf.len(), buf.start), (0, 0));
    }
}
