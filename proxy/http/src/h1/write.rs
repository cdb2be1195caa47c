//! Heads to bytes, rebuilt from parsed parts: nothing a peer wrote as framing is ever copied. Knows no sockets.

use super::body::Framing;
use crate::head::{Head, Version};
use crate::known::Known;

/// What a response says about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persist {
    /// Nothing: the version's default is meant.
    Default,
    /// `connection: close`.
    Close,
    /// `connection: keep-alive`, for HTTP/1.0 clients that asked.
    KeepAlive,
}

/// Appends a request head. The caller has removed hop-by-hop fields; framing is written from `framing` alone.
pub fn write_request(head: &Head, framing: Framing, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method());
    out.push(b' ');
    out.extend_from_slice(head.path());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(head.authority());
    out.extend_from_slice(b"\r\n");
    write_fields(head, out);
    match framing {
        // A method that usually carries content says so when it has none (RFC 9110 8.6).
        Framing::None if matches!(head.method(), b"POST" | b"PUT" | b"PATCH") => {
            out.extend_from_slice(b"content-length: 0\r\n");
        }
        _ => write_framing(framing, out),
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a response head. `length` of a bodiless response (HEAD, 304) is kept if the fields still hold it.
pub fn write_response(head: &Head, framing: Framing, persist: Persist, to: Version, out: &mut Vec<u8>) {
    if head.status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        let mut digits = itoa::Buffer::new();
        let reason =
            http::StatusCode::from_u16(head.status).ok().and_then(|s| s.canonical_reason()).unwrap_or("");
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(digits.format(head.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if framing == Framing::None {
        // The length that a HEAD or 304 response would have had is information, not framing.
        for (name, value, _) in head.iter().filter(|(.., known)| *known == Known::ContentLength) {
            write_field(name, value, out);
        }
    }
    write_fields(head, out);
    write_framing(framing, out);
    match persist {
        Persist::Default => {}
        Persist::Close => out.extend_from_slice(b"connection: close\r\n"),
        Persist::KeepAlive if to == Version::H10 => out.extend_from_slice(b"connection: keep-alive\r\n"),
        Persist::KeepAlive => {}
    }
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn write_fields(head: &Head, out: &mut Vec<u8>) {
    for (name, value, known) in head.iter() {
        if !matches!(known, Known::ContentLength | Known::TransferEncoding | Known::Host) {
            write_field(name, value, out);
        }
    }
}

#[inline]
fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn write_framing(framing: Framing, out: &mut Vec<u8>) {
    match framing {
        Framing::Length(n) => {
            let mut digits = itoa::Buffer::new();
            write_field(b"content-length", digits.format(n).as_bytes(), out);
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::None | Framing::Close => {}
    }
}

/// Appends one chunk.
pub(crate) fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0u8; 16];
    let (mut n, mut at) = (data.len(), digits.len());
    loop {
        at -= 1;
        if let (Some(slot), Some(digit)) = (digits.get_mut(at), HEX.get(n & 15)) {
            *slot = *digit;
        }
        n >>= 4;
        if n == 0 || at == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and trailers. Fields that frame or route a message are no trailers (RFC 9110 6.5.1).
pub(crate) fn write_last_chunk(trailers: Option<&Head>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value, known) in trailers.iter().flat_map(|t| t.iter()) {
        if !known.is_hop_by_hop() && !matches!(known, Known::ContentLength | Known::Host) {
            write_field(name, value, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_hexadecimal() {
        for (n, text) in [(1usize, "1"), (10, "a"), (16, "10"), (255, "ff"), (16384, "4000")] {
            let mut out = Vec::new();
            write_chunk(&vec![b'x'; n], &mut out);
            assert!(out.starts_with(format!("{text}\r\nx").as_bytes()), "{n}");
            assert_eq!(out.len(), n + text.len() + 4);
        }
    }

    #[test]
    fn framing_is_rebuilt_and_never_copied() {
        let mut head = Head::default();
        head.set_request(b"POST", b"/", b"h");
        head.push(b"content-length", b"9");
        head.push(b"transfer-encoding", b"chunked");
        head.push(b"host", b"evil");
        let mut out = Vec::new();
        write_request(&head, Framing::Length(3), &mut out);
        assert_eq!(out, b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n");
        out.clear();
        write_request(&head, Framing::None, &mut out);
        assert_eq!(out, b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
    }
}
