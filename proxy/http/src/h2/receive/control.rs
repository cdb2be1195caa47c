//! Frames that steer: SETTINGS, PING, GOAWAY, WINDOW_UPDATE. What they make us answer is put at once.

use super::{ALIVE, By, Error, FAREWELL, FrameHead, Judged, Ping, Reason, Side, State, frame, wait};

impl State {
    pub(super) fn settings(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        self.idle()?;
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if head.has(frame::ACK) {
            // What we announced is only ever more than the defaults, so nothing waits for it.
            return if payload.is_empty() { Ok(()) } else { Err(Reason::FRAME_SIZE_ERROR) };
        }
        let (settings, []) = payload.as_chunks() else { return Err(Reason::FRAME_SIZE_ERROR) };
        self.obey(settings)?;
        let (fits, out) = self.out.control(&self.pool);
        frame::put_head(0, frame::SETTINGS, frame::ACK, 0, out);
        if fits { Ok(()) } else { Err(Reason::ENHANCE_YOUR_CALM) }
    }

    /// What the peer wants, however it was told.
    pub(crate) fn obey(&mut self, settings: &[[u8; 6]]) -> Judged {
        if !std::mem::replace(&mut self.heard_settings, true) {
            // Without a word about it there is no limit but our own.
            self.their_streams = usize::MAX;
        }
        for [n0, n1, v0, v1, v2, v3] in settings {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*n0, *n1]) {
                frame::HEADER_TABLE_SIZE => self.encoder.limit(value as usize),
                frame::ENABLE_PUSH if value > u32::from(self.side == Side::Server) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                frame::MAX_CONCURRENT_STREAMS => self.their_streams = value as usize,
                frame::INITIAL_WINDOW_SIZE => self.initial_window(value)?,
                frame::MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                frame::MAX_FRAME_SIZE => self.their_frame = (value as usize).min(frame::MAX_PAYLOAD),
                frame::ENABLE_CONNECT_PROTOCOL if value > 1 => return Err(Reason::PROTOCOL_ERROR),
                _ => {}
            }
        }
        self.let_open(self.their_streams.saturating_sub(self.streams.open()));
        Ok(())
    }

    /// Streams' windows move by the difference, below zero if need be (6.9.2).
    fn initial_window(&mut self, value: u32) -> Judged {
        if value > frame::MOST {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        let by = i64::from(value) - self.their_window;
        self.their_window = i64::from(value);
        let mut overflows = false;
        self.streams.each(|stream| {
            stream.send_window += by;
            overflows |= stream.send_window > i64::from(frame::MOST);
            if stream.send_window > 0 {
                stream.wake(wait::SEND);
            }
        });
        if overflows { Err(Reason::FLOW_CONTROL_ERROR) } else { Ok(()) }
    }

    pub(super) fn pinged(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        self.idle()?;
        let payload: [u8; 8] = payload.try_into().map_err(|_| Reason::FRAME_SIZE_ERROR)?;
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if !head.has(frame::ACK) {
            let (fits, out) = self.out.control(&self.pool);
            frame::put_ping(frame::ACK, payload, out);
            return if fits { Ok(()) } else { Err(Reason::ENHANCE_YOUR_CALM) };
        }
        match payload {
            FAREWELL => self.goodbye_heard(),
            ALIVE if self.ping == Ping::Asked => {
                self.ping = Ping::Answered;
                // Whoever asked is asked before the connection is, so in the next turn.
                self.wake_again();
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn goaway(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        self.idle()?;
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let (numbers, _) = payload.split_at_checked(8).ok_or(Reason::FRAME_SIZE_ERROR)?;
        let (last, reason) = numbers.split_at(4);
        let (last, reason) = (frame::number(last)? & frame::MOST, Reason(frame::number(reason)?));
        self.leaving = Some(reason);
        if self.side == Side::Client {
            for slot in self.streams.on_wire() {
                if let Some(stream) = self.streams.get(slot).filter(|stream| stream.id > last) {
                    stream.error = Some(Error::GoAway(reason, By::Remote));
                    stream.wake(wait::READ | wait::SEND | wait::GONE);
                    self.close(slot, false);
                }
            }
        }
        self.let_open(usize::MAX);
        Ok(())
    }

    pub(super) fn window_update(&mut self, head: &FrameHead, payload: &[u8]) -> Judged {
        self.idle()?;
        let by = i64::from(frame::number(payload)? & frame::MOST);
        if head.stream == 0 {
            self.send_window += by;
            if by == 0 {
                return Err(Reason::PROTOCOL_ERROR);
            }
            if self.send_window > i64::from(frame::MOST) {
                return Err(Reason::FLOW_CONTROL_ERROR);
            }
            let waiting = std::mem::take(&mut self.windowless);
            self.wake_senders(&waiting);
            return Ok(());
        }
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(slot) = self.streams.find(head.stream) else { return Ok(()) };
        let Some(stream) = self.streams.get(slot) else { return Ok(()) };
        stream.send_window += by;
        if by == 0 {
            return self.stream_error(head.stream, Reason::PROTOCOL_ERROR);
        }
        if stream.send_window > i64::from(frame::MOST) {
            return self.stream_error(head.stream, Reason::FLOW_CONTROL_ERROR);
        }
        if stream.send_window > 0 {
            stream.wake(wait::SEND);
        }
        Ok(())
    }
}
