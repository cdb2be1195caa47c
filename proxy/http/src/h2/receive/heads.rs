//! HEADERS and what continues them: messages' heads and trailers as they come.

use super::{Block, Came, Fields, FrameHead, Judged, Reason, Side, State, frame, wait};
use crate::h2::state::Goodbye;
use crate::h2::streams::Stream;
use crate::h2::write;
use crate::head::Head;

/// Interim responses that nobody has taken.
const MOST_INTERIM: usize = 16;
/// Frames that a block may come in beside those that its size needs.
const MOST_FRAMES: usize = 8;

impl State {
    pub(super) fn headers(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let (bytes, on) = frame::block(head, payload)?;
        let end = head.has(frame::END_STREAM);
        if head.has(frame::END_HEADERS) {
            return self.block_ends(head.stream, end, on, bytes, payload.len() + frame::HEAD);
        }
        let bytes = bytes.to_vec();
        self.block = Some(Box::new(Block { stream: head.stream, end, on, bytes, frames: 1 }));
        Ok(())
    }

    pub(super) fn continuation(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        let Some(mut block) = self.block.take().filter(|block| block.stream == head.stream) else {
            return Err(Reason::PROTOCOL_ERROR);
        };
        block.frames += 1;
        block.bytes.extend_from_slice(payload);
        // CVE-2024-27316 and its like: a block without end, or in crumbs.
        let most = self.limits.header_bytes as usize;
        if block.bytes.len() > 2 * most + frame::MAX_PAYLOAD || block.frames > MOST_FRAMES + most / 4096 {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        if !head.has(frame::END_HEADERS) {
            self.block = Some(block);
            return Ok(());
        }
        let wire = block.bytes.len() + block.frames * frame::HEAD;
        self.block_ends(block.stream, block.end, block.on, &block.bytes, wire)
    }

    fn block_ends(&mut self, id: u32, end: bool, on: Option<u32>, bytes: &[u8], wire: usize) -> Judged {
        self.flood.useful();
        // Whatever becomes of it, the table has to see it.
        let mut fields = Fields::new(self.pool.lend_head(), self.limits.header_bytes as usize);
        self.decoder.decode(bytes, &mut fields).map_err(|_| Reason::COMPRESSION_ERROR)?;
        let itself = on == Some(id);
        match self.streams.find(id) {
            Some(slot) => {
                if let Some(stream) = self.streams.get(slot) {
                    stream.wire.received += wire as u64;
                    stream.wire.head_received += wire as u64;
                }
                if itself {
                    return self.give_up(fields.into_head(), id, Reason::PROTOCOL_ERROR);
                }
                self.head_on(slot, id, end, fields)
            }
            None if self.side == Side::Server && id % 2 == 1 && id > self.last_id => {
                self.last_id = id;
                self.opened(id, end, itself, fields, wire)
            }
            None if self.side == Side::Client && !self.is_idle(id) => {
                self.pool.give_back_head(fields.into_head());
                Ok(())
            }
            None if self.is_idle(id) => Err(Reason::PROTOCOL_ERROR),
            None => {
                self.pool.give_back_head(fields.into_head());
                self.late(id)
            }
        }
    }

    fn give_up(&mut self, head: Head, id: u32, reason: Reason) -> Judged {
        self.pool.give_back_head(head);
        self.stream_error(id, reason)
    }

    /// A client's new stream.
    fn opened(&mut self, id: u32, end: bool, itself: bool, fields: Fields, wire: usize) -> Judged {
        self.flood.opened();
        if matches!(self.goodbye, Goodbye::Final(_) | Goodbye::Now) {
            // It was told that these are not looked at.
            self.last_id = self.last_id.max(id);
            self.remember(id, true);
            self.pool.give_back_head(fields.into_head());
            return Ok(());
        }
        let most = self.limits.max_streams as usize;
        // Whoever serves a stream that was reset is still at work for it, so these count as well, twice over.
        if self.streams.open() >= most || self.streams.held() >= most * 2 {
            return self.give_up(fields.into_head(), id, Reason::REFUSED_STREAM);
        }
        if itself {
            return self.give_up(fields.into_head(), id, Reason::PROTOCOL_ERROR);
        }
        if fields.is_over() {
            self.pool.give_back_head(fields.into_head());
            return self.too_large(id, end);
        }
        let (head, request) = fields.request(end, self.limits.tunnels);
        let Ok(request) = request else { return self.give_up(head, id, Reason::PROTOCOL_ERROR) };
        let mut stream: Stream = self.new_stream(id);
        stream.recv_ended = end;
        stream.expects = request.length;
        stream.wire.received = wire as u64;
        stream.wire.head_received = wire as u64;
        stream.head = Some((head, Came::Request(request)));
        let slot = self.streams.insert(stream);
        self.arrived.push_back(slot);
        Ok(())
    }

    /// 431 (RFC 6585 5), and no look at the rest.
    fn too_large(&mut self, id: u32, end: bool) -> Judged {
        let (_, out) = self.out.control(&self.pool);
        let at = out.len();
        frame::put_head(0, frame::HEADERS, frame::END_HEADERS | frame::END_STREAM, id, out);
        write::response(&Head::default(), 431, &mut self.encoder, out);
        frame::set_length(at, out);
        if !end {
            return self.stream_error(id, Reason::NO_ERROR);
        }
        self.remember(id, true);
        Ok(())
    }

    /// A block on a stream that is open: an answer, or trailers.
    fn head_on(&mut self, slot: u32, id: u32, end: bool, fields: Fields) -> Judged {
        let Some(stream) = self.streams.get(slot) else { return Ok(()) };
        if stream.recv_ended {
            return self.give_up(fields.into_head(), id, Reason::STREAM_CLOSED);
        }
        if fields.is_over() {
            return self.give_up(fields.into_head(), id, Reason::PROTOCOL_ERROR);
        }
        if self.side == Side::Client && !stream.answered {
            return self.answer(slot, id, end, fields);
        }
        let short = stream.expects.is_some_and(|rest| rest > 0);
        let (head, trailers) = fields.trailers();
        if trailers.is_err() || !end || short {
            return self.give_up(head, id, Reason::PROTOCOL_ERROR);
        }
        stream.trailers = Some(head);
        self.reading_ends(slot);
        Ok(())
    }

    fn answer(&mut self, slot: u32, id: u32, end: bool, fields: Fields) -> Judged {
        let Some(stream) = self.streams.get(slot) else { return Ok(()) };
        let (head, response) = fields.response(end, stream.bodiless);
        let Ok(response) = response else { return self.give_up(head, id, Reason::PROTOCOL_ERROR) };
        if head.status < 200 {
            // 101 is no answer that HTTP/2 knows (8.6), and what ends a stream is no interim one.
            if end || head.status == 101 || stream.interim.len() >= MOST_INTERIM {
                return self.give_up(head, id, Reason::PROTOCOL_ERROR);
            }
            stream.interim.push(head);
            stream.wake(wait::READ);
            return Ok(());
        }
        stream.answered = true;
        stream.expects = response.length;
        stream.head = Some((head, Came::Response(response)));
        stream.wake(wait::READ);
        if end {
            self.reading_ends(slot);
        }
        Ok(())
    }
}
