//! Bytes on their way to the peer: frames of all streams in the order in which they were put. Knows no streams' state.

use super::frame;
use crate::buf::Pool;

/// DATA is put only while less than this waits to be written: 16 streams' shares.
const MOST: usize = 256 * 1024;
/// What one stream may have waiting, so that one with much to say does not keep the others out.
const SHARE: usize = 64 * 1024;
/// Answers to PING and SETTINGS, and resets, that may wait: a peer that causes more and reads none is up to no good.
const MOST_CONTROL: usize = 64 * 1024;
/// Written bytes are cut off in front when there are so many.
const WRITTEN: usize = 128 * 1024;

/// Frames that wait to be written.
pub(crate) struct Out {
    bytes: Vec<u8>,
    at: usize,
    /// Changes whenever positions among the bytes do.
    lot: u32,
    control: usize,
    /// Streams that wait for room: those that had none, and those that had their share.
    pub(crate) starved: Vec<u32>,
    pub(crate) fed: Vec<u32>,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), at: 0, lot: 1, control: 0, starved: Vec::new(), fed: Vec::new() }
    }

    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// To append frames to.
    #[inline]
    pub(crate) fn bytes(&mut self, pool: &Pool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.lend_out();
        } else if self.at > WRITTEN {
            self.bytes.drain(..self.at);
            self.at = 0;
            self.lot = self.lot.wrapping_add(1);
        }
        &mut self.bytes
    }

    /// The same, for what the peer made us say; false when that is too much.
    pub(crate) fn control(&mut self, pool: &Pool) -> (bool, &mut Vec<u8>) {
        self.control += frame::HEAD + 8;
        let fits = self.control <= MOST_CONTROL;
        (fits, self.bytes(pool))
    }

    /// Where the next frame will begin.
    pub(crate) fn next_frame(&self) -> (u32, usize) {
        (self.lot, self.bytes.len())
    }

    /// Makes a frame the last of its stream, if none of it has been written.
    pub(crate) fn end_stream_at(&mut self, (lot, at): (u32, usize)) -> bool {
        let flags = if lot == self.lot && at >= self.at { self.bytes.get_mut(at + 4) } else { None };
        flags.map(|flags| *flags |= frame::END_STREAM).is_some()
    }

    /// How much DATA a stream may put that has put so much; 0 with the list that it has to wait in.
    pub(crate) fn room(&mut self, put: &mut (u32, usize)) -> Result<usize, &mut Vec<u32>> {
        if self.bytes.len() - self.at >= MOST {
            return Err(&mut self.starved);
        }
        if put.0 != self.lot {
            *put = (self.lot, 0);
        }
        if put.1 >= SHARE { Err(&mut self.fed) } else { Ok(SHARE - put.1) }
    }

    /// So many bytes have been written; whether those were all.
    pub(crate) fn wrote(&mut self, n: usize, pool: &Pool) -> bool {
        self.at = (self.at + n).min(self.bytes.len());
        if !self.is_empty() {
            return false;
        }
        pool.give_back_out(std::mem::take(&mut self.bytes));
        (self.at, self.control, self.lot) = (0, 0, self.lot.wrapping_add(1));
        true
    }
}
