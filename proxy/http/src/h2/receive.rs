//! What comes: every frame's effect on the connection and its streams (RFC 9113 5 and 6), and what is answered at once. An
//! `Err` is the connection's end. Knows no sockets.

use super::error::{By, Error, Reason};
use super::fields::Fields;
use super::frame::{self, FrameHead};
use super::state::{Block, Ping, Side, State};
use super::streams::{Came, wait};

mod control;
mod heads;

/// What our own PINGs carry: to see whether the peer lives, and whether it has heard the goodbye.
pub(crate) const ALIVE: [u8; 8] = *b"are you?";
pub(crate) const FAREWELL: [u8; 8] = *b"farewell";

/// DATA whose payload is still coming.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    pub(crate) stream: u32,
    pub(crate) left: usize,
    /// Bytes behind it that mean nothing.
    pub(crate) padding: usize,
    end: bool,
}

type Judged = Result<(), Reason>;

impl State {
    fn idle(&mut self) -> Judged {
        if self.flood.idle() { Ok(()) } else { Err(Reason::ENHANCE_YOUR_CALM) }
    }

    /// A stream that has not been opened by anybody.
    fn is_idle(&self, id: u32) -> bool {
        match (self.side, id % 2) {
            (Side::Server, 1) => id > self.last_id,
            (Side::Client, 1) => id >= self.next_id,
            _ => true,
        }
    }

    /// Resets a stream for what was sent on it, whether it is still there or not.
    fn stream_error(&mut self, id: u32, reason: Reason) -> Judged {
        match self.streams.find(id) {
            Some(slot) => self.reset(slot, reason, By::Library),
            None => {
                self.remember(id, true);
                self.put_reset(id, reason);
            }
        }
        if self.flood.reset_by_us() { Ok(()) } else { Err(Reason::ENHANCE_YOUR_CALM) }
    }

    /// Something for a stream that has ended: what may still have been on its way is passed over.
    fn late(&mut self, id: u32) -> Judged {
        let ours = self.past.iter().rev().find(|(past, _)| *past == id).map(|(_, ours)| *ours);
        match (self.side, ours) {
            (Side::Client, _) | (_, Some(true)) => Ok(()),
            (Side::Server, Some(false)) => Err(Reason::STREAM_CLOSED),
            // Skipped by its opener, or long forgotten.
            (Side::Server, None) => Err(Reason::PROTOCOL_ERROR),
        }
    }

    // === DATA

    /// A DATA frame begins: all of it counts against the windows (6.9.1). `padding` is what its first byte says.
    pub(crate) fn data_begins(&mut self, head: &FrameHead, padding: Option<u8>) -> Result<Body, Reason> {
        let id = head.stream;
        if id == 0 || self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let before = usize::from(padding.is_some());
        let padding = usize::from(padding.unwrap_or_default());
        let left = head.length.checked_sub(before + padding).ok_or(Reason::PROTOCOL_ERROR)?;
        let end = head.has(frame::END_STREAM);
        if left == 0 && !end {
            self.idle()?;
        } else {
            self.flood.useful();
        }
        let length = head.length as i64;
        if length > self.recv_window {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        self.recv_window -= length;
        let body = Body { stream: id, left, padding, end };
        let Some(slot) = self.streams.find(id) else {
            self.late(id)?;
            self.free_connection(before);
            return Ok(body);
        };
        let mut wrong = None;
        if let Some(stream) = self.streams.get(slot) {
            stream.wire.received += (head.length + frame::HEAD) as u64;
            let said = stream.expects.map(|expects| expects.checked_sub(left as u64));
            if stream.recv_ended {
                wrong = Some(Reason::STREAM_CLOSED);
            } else if length > stream.recv_window {
                wrong = Some(Reason::FLOW_CONTROL_ERROR);
            } else if said == Some(None) || end && said.flatten().is_some_and(|rest| rest > 0) {
                // More or less than Content-Length (8.1.1).
                wrong = Some(Reason::PROTOCOL_ERROR);
            } else if self.side == Side::Client && !stream.answered {
                wrong = Some(Reason::PROTOCOL_ERROR);
            } else {
                stream.expects = said.flatten();
                stream.recv_window -= length;
            }
        }
        match wrong {
            Some(reason) => {
                self.stream_error(id, reason)?;
                self.free_connection(before);
            }
            None if before + padding > 0 => self.free(slot, before),
            None => {}
        }
        Ok(body)
    }

    /// Some of the payload.
    pub(crate) fn data(&mut self, id: u32, bytes: &[u8]) {
        let State { streams, pool, .. } = self;
        let held = streams.find(id).and_then(|slot| streams.get(slot));
        match held.filter(|stream| !stream.recv_ended) {
            Some(stream) => {
                if stream.data.capacity() == 0 {
                    stream.data = pool.lend_out();
                }
                stream.data.extend_from_slice(bytes);
                stream.wake(wait::READ);
            }
            None => self.free_connection(bytes.len()),
        }
    }

    /// Some of the padding.
    pub(crate) fn padding(&mut self, id: u32, n: usize) {
        match self.streams.find(id) {
            Some(slot) => self.free(slot, n),
            None => self.free_connection(n),
        }
    }

    /// The frame has ended.
    pub(crate) fn data_ends(&mut self, body: &Body) {
        if body.end
            && let Some(slot) = self.streams.find(body.stream)
        {
            self.reading_ends(slot);
        }
    }

    fn reading_ends(&mut self, slot: u32) {
        if let Some(stream) = self.streams.get(slot) {
            stream.recv_ended = true;
            stream.wake(wait::READ);
        }
        self.close_if_done(slot);
    }

    // === all other frames

    /// A frame other than DATA, whole.
    pub(crate) fn frame(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        if self.block.is_some() && head.kind != frame::CONTINUATION {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if !self.heard_settings && (head.kind != frame::SETTINGS || head.has(frame::ACK)) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        match head.kind {
            frame::HEADERS => self.headers(head, payload),
            frame::CONTINUATION => self.continuation(head, payload),
            frame::PRIORITY => self.priority(head, payload),
            frame::RST_STREAM => self.reset_by_peer(head, payload),
            frame::SETTINGS => self.settings(head, payload),
            frame::PING => self.pinged(head, payload),
            frame::GOAWAY => self.goaway(head, payload),
            frame::WINDOW_UPDATE => self.window_update(head, payload),
            // Nobody pushes: clients must not, and we have told servers not to.
            frame::PUSH_PROMISE => Err(Reason::PROTOCOL_ERROR),
            // What nobody knows is passed over (4.1).
            _ => self.idle(),
        }
    }

    /// PRIORITY is obsolete (5.3.2) and its form is all that is looked at.
    fn priority(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        self.idle()?;
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let on = payload.first_chunk::<4>().map(|on| u32::from_be_bytes(*on) & frame::MOST);
        match on {
            Some(on) if payload.len() == 5 && on != head.stream => Ok(()),
            Some(on) if payload.len() == 5 && on == head.stream && self.is_idle(head.stream) => {
                Err(Reason::PROTOCOL_ERROR)
            }
            Some(_) if payload.len() == 5 => self.stream_error(head.stream, Reason::PROTOCOL_ERROR),
            _ if self.is_idle(head.stream) => Err(Reason::FRAME_SIZE_ERROR),
            _ => self.stream_error(head.stream, Reason::FRAME_SIZE_ERROR),
        }
    }

    fn reset_by_peer(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        let reason = Reason(frame::number(payload)?);
        if head.stream == 0 || self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(slot) = self.streams.find(head.stream) else {
            // Both have reset it: nothing of it can be on its way any more.
            let past = self.past.iter_mut().rev().find(|(past, _)| *past == head.stream);
            past.into_iter().for_each(|(_, ours)| *ours = false);
            return self.idle();
        };
        let accepted = self.side == Side::Client || !self.arrived.contains(&slot);
        if let Some(stream) = self.streams.get(slot) {
            stream.wire.received += (payload.len() + frame::HEAD) as u64;
            stream.error = Some(Error::Reset(reason, By::Remote));
            stream.wake(wait::READ | wait::SEND | wait::GONE);
        }
        self.close(slot, false);
        if self.side == Side::Server && !self.flood.reset_by_peer(accepted) {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        Ok(())
    }
}
