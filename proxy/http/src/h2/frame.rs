//! The forms of frames (RFC 9113 4 and 6). Knows no streams and no state.

use super::error::Reason;

/// Bytes of a frame's head: length, type, flags, stream.
pub(crate) const HEAD: usize = 9;
/// The payload that everybody has to take, and the most that we send or take.
pub(crate) const MAX_PAYLOAD: usize = 16 * 1024;
/// What a client says before its first frame.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Windows before settings speak of them.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;
/// The largest window, and the largest stream.
pub(crate) const MOST: u32 = (1 << 31) - 1;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// A frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHead {
    /// Reads one, if all of it is there.
    #[inline]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEAD>()?;
        Some(Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        })
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Appends a frame's head.
#[inline]
pub(crate) fn put_head(length: usize, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, s0, s1, s2, s3]);
}

/// Says how long the frame is that began at `at`; it ends with `out`.
#[inline]
pub(crate) fn set_length(at: usize, out: &mut [u8]) {
    let [_, a, b, c] = (out.len().saturating_sub(at + HEAD) as u32).to_be_bytes();
    if let Some(length) = out.get_mut(at..at + 3) {
        length.copy_from_slice(&[a, b, c]);
    }
}

/// Appends a frame whose payload is one number: RST_STREAM and WINDOW_UPDATE.
pub(crate) fn put_number(kind: u8, stream: u32, number: u32, out: &mut Vec<u8>) {
    put_head(4, kind, 0, stream, out);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a PING or its answer.
pub(crate) fn put_ping(flags: u8, payload: [u8; 8], out: &mut Vec<u8>) {
    put_head(8, PING, flags, 0, out);
    out.extend_from_slice(&payload);
}

/// Appends a GOAWAY.
pub(crate) fn put_goaway(last: u32, reason: Reason, out: &mut Vec<u8>) {
    put_head(8, GOAWAY, 0, 0, out);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&reason.0.to_be_bytes());
}

/// Appends SETTINGS.
pub(crate) fn put_settings(settings: &[(u16, u32)], out: &mut Vec<u8>) {
    put_head(settings.len() * 6, SETTINGS, 0, 0, out);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// The number that a payload of four bytes is.
pub(crate) fn number(payload: &[u8]) -> Result<u32, Reason> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Reason::FRAME_SIZE_ERROR)
}

/// What is left of a HEADERS payload without padding and priority, and the stream that it depends on, if any.
pub(crate) fn block<'p>(head: &FrameHead, mut payload: &'p [u8]) -> Result<(&'p [u8], Option<u32>), Reason> {
    if head.has(PADDED) {
        let (padding, rest) = payload.split_first().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let kept = rest.len().checked_sub(usize::from(*padding)).ok_or(Reason::PROTOCOL_ERROR)?;
        payload = rest.get(..kept).unwrap_or_default();
    }
    if !head.has(WITH_PRIORITY) {
        return Ok((payload, None));
    }
    let (priority, rest) = payload.split_at_checked(5).ok_or(Reason::FRAME_SIZE_ERROR)?;
    let on = number(priority.get(..4).unwrap_or_default())? & MOST;
    Ok((rest, Some(on)))
}
