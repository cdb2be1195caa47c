//! What goes out: heads, DATA within the windows, ends. Everything is framed at once and in order; what the windows do not allow
//! is not taken. Knows no sockets.

use std::io;
use std::task::{Context, Poll};

use super::error::{By, Error, Reason};
use super::frame;
use super::hpack::Encoder;
use super::state::State;
use super::streams::wait;
use super::write::{self, Form};
use crate::head::Head;

impl State {
    /// Opens a stream of ours with this request.
    pub(crate) fn open(&mut self, head: &Head, form: Form<'_>, end: bool) -> Result<u32, Error> {
        if !self.may_open()? {
            return Err(Error::Reset(Reason::REFUSED_STREAM, By::User));
        }
        let id = self.next_id;
        self.next_id += 2;
        let mut stream = self.new_stream(id);
        stream.bodiless = head.is_head();
        let slot = self.streams.insert(stream);
        self.put_block(slot, end, |encoder, out| write::request(head, form, encoder, out))?;
        Ok(slot)
    }

    /// Puts a head or trailers on a stream.
    pub(crate) fn put_block(
        &mut self,
        slot: u32,
        end: bool,
        write: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) -> Result<(), Error> {
        let Some(stream) = self.streams.get(slot) else { return Err(Error::Io(io::ErrorKind::InvalidInput)) };
        if let Some(error) = stream.error {
            return Err(error);
        }
        if stream.send_ended {
            return Err(Error::Io(io::ErrorKind::InvalidInput));
        }
        let out = self.out.bytes(&self.pool);
        let at = out.len();
        let flags = frame::END_HEADERS | if end { frame::END_STREAM } else { 0 };
        frame::put_head(0, frame::HEADERS, flags, stream.id, out);
        write(&mut self.encoder, out);
        if out.len() - at - frame::HEAD > self.their_frame {
            split(at, self.their_frame, stream.id, out);
        } else {
            frame::set_length(at, out);
        }
        let wire = (out.len() - at) as u64;
        stream.wire.sent += wire;
        stream.wire.head_sent += wire;
        let (lot, _) = self.out.next_frame();
        stream.last_frame = Some((lot, at));
        if end {
            stream.send_ended = true;
            self.close_if_done(slot);
        }
        self.wake();
        Ok(())
    }

    /// Puts some of `data` as one DATA frame: as much as there is room for.
    pub(crate) fn put_data(
        &mut self,
        slot: u32,
        data: &[u8],
        cx: &Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        let State { streams, out, pool, .. } = self;
        let Some(stream) = streams.get(slot) else {
            return Poll::Ready(Err(Error::Io(io::ErrorKind::InvalidInput)));
        };
        if let Some(error) = stream.error {
            return Poll::Ready(Err(error));
        }
        if stream.send_ended {
            return Poll::Ready(Err(Error::Io(io::ErrorKind::InvalidInput)));
        }
        if stream.send_window <= 0 {
            stream.wait(wait::SEND, cx);
            return Poll::Pending;
        }
        if self.send_window <= 0 {
            if stream.wait(wait::SEND, cx) {
                self.windowless.push(slot);
            }
            return Poll::Pending;
        }
        let room = match out.room(&mut stream.put) {
            Ok(room) => room,
            Err(waiting) => {
                if stream.wait(wait::SEND, cx) {
                    waiting.push(slot);
                }
                return Poll::Pending;
            }
        };
        let window = stream.send_window.min(self.send_window) as usize;
        let n = data.len().min(window).min(self.their_frame).min(room);
        let bytes = out.bytes(pool);
        let at = bytes.len();
        frame::put_head(n, frame::DATA, 0, stream.id, bytes);
        bytes.extend_from_slice(data.get(..n).unwrap_or_default());
        let (lot, _) = out.next_frame();
        stream.last_frame = Some((lot, at));
        if stream.put.0 != lot {
            stream.put = (lot, 0);
        }
        stream.put.1 += n;
        stream.send_window -= n as i64;
        stream.wire.sent += (n + frame::HEAD) as u64;
        self.send_window -= n as i64;
        self.flood.sent_data();
        self.wake();
        Poll::Ready(Ok(n))
    }

    /// Ends our half: by trailers, by the last frame if it has not been written yet, or by an empty one.
    pub(crate) fn put_end(&mut self, slot: u32, trailers: Option<&Head>) -> Result<(), Error> {
        if let Some(trailers) = trailers.filter(|head| !head.is_empty()) {
            return self.put_block(slot, true, |encoder, out| write::trailers(trailers, encoder, out));
        }
        let Some(stream) = self.streams.get(slot) else { return Ok(()) };
        if let Some(error) = stream.error {
            return Err(error);
        }
        if stream.send_ended {
            return Ok(());
        }
        if !stream.last_frame.is_some_and(|at| self.out.end_stream_at(at)) {
            stream.wire.sent += frame::HEAD as u64;
            frame::put_head(0, frame::DATA, frame::END_STREAM, stream.id, self.out.bytes(&self.pool));
        }
        stream.send_ended = true;
        self.close_if_done(slot);
        self.wake();
        Ok(())
    }
}

/// Makes HEADERS with CONTINUATION of a HEADERS frame that is larger than the peer takes.
#[cold]
fn split(at: usize, most: usize, id: u32, out: &mut Vec<u8>) {
    let block = out.split_off(at + frame::HEAD);
    let mut pieces = block.chunks(most).peekable();
    let flags = out.get(at + 4).copied().unwrap_or_default() & !frame::END_HEADERS;
    out.truncate(at);
    let mut kind = (frame::HEADERS, flags);
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { frame::END_HEADERS } else { 0 };
        frame::put_head(piece.len(), kind.0, kind.1 | last, id, out);
        out.extend_from_slice(piece);
        kind = (frame::CONTINUATION, 0);
    }
}
