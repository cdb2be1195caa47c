//! Bytes of each stream of an HTTP/2 connection as they pass: frame heads are read on the way, nothing is held back. Switched on
//! only where somebody asks; knows no streams' meaning.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::leg::WireBytes;

/// Bytes of a frame's head: length, type, flags, stream.
const HEAD: usize = 9;

/// What a client says before its first frame.
const PREFACE: u32 = 24;

/// Streams remembered: ten times what one connection may have at once. Of those that nobody took up, the oldest go.
const MOST: usize = 1024;

/// What the streams of one connection have cost.
#[derive(Debug, Default)]
pub struct Meter {
    streams: RefCell<BTreeMap<u32, WireBytes>>,
}

impl Meter {
    /// One for a new connection.
    pub fn new() -> Rc<Self> {
        Rc::default()
    }

    fn count(&self, stream: u32, kind: u8, bytes: u64, received: bool) {
        // DATA, HEADERS, CONTINUATION, and RST_STREAM that came; what only steers the connection is no message's.
        let counts = matches!(kind, 0 | 1 | 9) || (kind == 3 && received);
        if stream == 0 || !counts {
            return;
        }
        let mut streams = self.streams.borrow_mut();
        if streams.len() >= MOST && !streams.contains_key(&stream) {
            streams.pop_first();
        }
        let wire = streams.entry(stream).or_default();
        let head = if matches!(kind, 1 | 9) { bytes } else { 0 };
        if received {
            wire.received += bytes;
            wire.head_received += head;
        } else {
            wire.sent += bytes;
            wire.head_sent += head;
        }
    }
}

/// One stream's part of a meter; forgotten with it.
#[derive(Debug)]
pub(super) struct Share {
    meter: Rc<Meter>,
    stream: u32,
}

impl Share {
    pub(super) fn new(meter: Option<&Rc<Meter>>, stream: h2::StreamId) -> Option<Self> {
        Some(Self { meter: meter?.clone(), stream: stream.into() })
    }

    pub(super) fn wire(&self) -> WireBytes {
        self.meter.streams.borrow().get(&self.stream).copied().unwrap_or_default()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.meter.streams.borrow_mut().remove(&self.stream);
    }
}

/// A connection whose bytes may be counted.
#[derive(Debug)]
pub struct Metered<T> {
    io: T,
    taps: Option<Box<Taps>>,
}

#[derive(Debug)]
struct Taps {
    meter: Rc<Meter>,
    read: Frames,
    written: Frames,
}

/// Where in the frames of one direction we are.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes to pass over before the next head.
    skip: u32,
    head: [u8; HEAD],
    have: usize,
}

impl Frames {
    /// Looks at what has passed, and tells of each head that is complete: stream, type, bytes of the whole frame.
    fn pass(&mut self, mut bytes: &[u8], mut tell: impl FnMut(u32, u8, u64)) {
        while !bytes.is_empty() {
            let over = bytes.len().min(self.skip as usize);
            self.skip -= over as u32;
            bytes = bytes.get(over..).unwrap_or_default();
            let take = bytes.len().min(HEAD - self.have);
            let (now, rest) = bytes.split_at(take);
            if let Some(room) = self.head.get_mut(self.have..self.have + take) {
                room.copy_from_slice(now);
            }
            self.have += take;
            bytes = rest;
            if self.have == HEAD {
                let [a, b, c, kind, _, s0, s1, s2, s3] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]);
                tell(u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]), kind, u64::from(length) + HEAD as u64);
                (self.skip, self.have) = (length, 0);
            }
        }
    }
}

impl<T> Metered<T> {
    /// Counts into `meter`, if there is one.
    pub fn client(io: T, meter: Option<Rc<Meter>>) -> Self {
        Self::new(io, meter, 0, PREFACE)
    }

    /// The same for the side that is spoken to.
    pub fn server(io: T, meter: Option<Rc<Meter>>) -> Self {
        Self::new(io, meter, PREFACE, 0)
    }

    fn new(io: T, meter: Option<Rc<Meter>>, read: u32, written: u32) -> Self {
        let frames = |skip| Frames { skip, ..Frames::default() };
        let taps = meter.map(|meter| Box::new(Taps { meter, read: frames(read), written: frames(written) }));
        Self { io, taps }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if let Some(Taps { meter, read, .. }) = this.taps.as_deref_mut() {
            let new = buf.filled().get(before..).unwrap_or_default();
            read.pass(new, |stream, kind, bytes| meter.count(stream, kind, bytes, true));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let n = ready!(Pin::new(&mut this.io).poll_write_vectored(cx, pieces))?;
        if let Some(Taps { meter, written, .. }) = this.taps.as_deref_mut() {
            let mut left = n;
            for piece in pieces {
                let new = piece.get(..left.min(piece.len())).unwrap_or_default();
                left -= new.len();
                written.pass(new, |stream, kind, bytes| meter.count(stream, kind, bytes, false));
            }
        }
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, payload as u8, kind, 0, 0, 0, 0, stream];
        frame.resize(HEAD + payload, 0xff);
        frame
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let frames =
            [frame(4, 0, 6), frame(1, 1, 20), frame(8, 1, 4), frame(0, 1, 100), frame(9, 3, 0)].concat();
        for step in [1, 2, 7, 8, 9, 10, 50, frames.len()] {
            let meter = Meter::new();
            let mut read = Frames::default();
            for part in frames.chunks(step) {
                read.pass(part, |stream, kind, bytes| meter.count(stream, kind, bytes, true));
            }
            let one = Share { meter: meter.clone(), stream: 1 };
            assert_eq!((one.wire().received, one.wire().head_received), (138, 29), "in steps of {step}");
            drop(one);
            assert_eq!(meter.streams.borrow().keys().copied().collect::<Vec<_>>(), [3]);
        }
    }

    #[test]
    fn streams_that_nobody_takes_up_are_forgotten() {
        let meter = Meter::new();
        (0..5000).for_each(|stream| meter.count(stream * 2 + 1, 1, 9, true));
        assert_eq!(meter.streams.borrow().len(), MOST);
        assert!(meter.streams.borrow().contains_key(&9999));
    }
}
