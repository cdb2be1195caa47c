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

/// Appends a request head. The caller has removed hop-by-hop fields; framing is written from `framing` alone. Names are written
/// as the peer wrote them where the head knows, else in lower case or, if `proper`, with a capital at the start of each word.
pub fn write_request(head: &Head, framing: Framing, proper: bool, out: &mut Vec<u8>) {
    let names = Names::of(head, proper);
    out.extend_from_slice(head.method());
    out.push(b' ');
    out.extend_from_slice(if head.is_connect() { head.authority() } else { head.path() });
    out.extend_from_slice(b" HTTP/1.1\r\n");
    names.field(b"host", head.authority(), out);
    write_fields(head, &names, out);
    match framing {
        // A method that may carry content says so when it has none (RFC 9110 8.6).
        Framing::None if !matches!(head.method(), b"GET" | b"HEAD" | b"DELETE" | b"TRACE" | b"CONNECT") => {
            names.field(b"content-length", b"0", out);
        }
        _ => write_framing(framing, &names, out),
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a response head. `length` of a bodiless response (HEAD, 304) is kept if the fields still hold it. Names are written
/// as by [`write_request`].
pub fn write_response(
    head: &Head,
    framing: Framing,
    persist: Persist,
    to: Version,
    proper: bool,
    out: &mut Vec<u8>,
) {
    let names = Names::of(head, proper);
    if head.status == 200 && to != Version::H10 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(if to == Version::H10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
        out.extend_from_slice(digits.format(head.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(head.status).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    // RFC 9110 8.6: neither an interim answer nor a 204 has one.
    if matches!(framing, Framing::None | Framing::Unsent) && !matches!(head.status, 100..=199 | 204) {
        // The length that a HEAD or 304 response would have had is information, not framing.
        for (name, value, _) in head.iter().filter(|(.., known)| *known == Known::ContentLength) {
            names.field(name, value, out);
        }
    }
    write_fields(head, &names, out);
    // What a GET would have got, as far as can be said without having asked for it (RFC 9112 6.1).
    if framing == Framing::Unsent && !head.has(Known::ContentLength) && to == Version::H11 {
        write_framing(Framing::Chunked, &names, out);
    }
    write_framing(framing, &names, out);
    match persist {
        Persist::Default => {}
        Persist::Close => names.field(b"connection", b"close", out),
        Persist::KeepAlive if to == Version::H10 => names.field(b"connection", b"keep-alive", out),
        Persist::KeepAlive => {}
    }
    out.extend_from_slice(b"\r\n");
}

/// The words behind a status. Clients that show them are used to Envoy's.
fn reason(status: u16) -> &'static str {
    match status {
        203 => "Non-Authoritative Information",
        418 | 451 => "Unknown",
        599 => "Last Unassigned Server Error Code",
        other => {
            http::StatusCode::from_u16(other).ok().and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
        }
    }
}

#[inline]
fn write_fields(head: &Head, names: &Names<'_>, out: &mut Vec<u8>) {
    const FRAMING: u64 = Known::ContentLength.bit() | Known::TransferEncoding.bit() | Known::Host.bit();
    if matches!(names, Names::Lower) {
        return head.write_lines(FRAMING, out);
    }
    for (name, value, known) in head.iter() {
        if known.bit() & FRAMING == 0 {
            names.field(name, value, out);
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
fn write_framing(framing: Framing, names: &Names<'_>, out: &mut Vec<u8>) {
    match framing {
        Framing::Length(n) => {
            let mut digits = itoa::Buffer::new();
            names.field(b"content-length", digits.format(n).as_bytes(), out);
        }
        Framing::Chunked => names.field(b"transfer-encoding", b"chunked", out),
        Framing::None | Framing::Unsent | Framing::Close => {}
    }
}

/// How the names of fields are written.
enum Names<'h> {
    Lower,
    /// As the peer wrote them.
    Written(&'h Head),
    Proper,
}

impl<'h> Names<'h> {
    fn of(head: &'h Head, proper: bool) -> Self {
        match proper {
            _ if head.is_cased() => Names::Written(head),
            true => Names::Proper,
            false => Names::Lower,
        }
    }

    #[inline]
    fn field(&self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self {
            Names::Lower => write_field(name, value, out),
            Names::Written(head) => write_field(head.as_written(name).unwrap_or(name), value, out),
            Names::Proper => {
                let from = out.len();
                write_field(name, value, out);
                let mut start = true;
                for byte in out.iter_mut().skip(from).take(name.len()) {
                    if start {
                        byte.make_ascii_uppercase();
                    }
                    start = !byte.is_ascii_alphanumeric();
                }
            }
        }
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
    fn an_answer_begins_with_its_clients_version_and_known_words() {
        for (status, to, line) in [
            (200, Version::H11, "HTTP/1.1 200 OK"),
            (200, Version::H10, "HTTP/1.0 200 OK"),
            (418, Version::H11, "HTTP/1.1 418 Unknown"),
            (299, Version::H11, "HTTP/1.1 299 Unknown"),
            (503, Version::H10, "HTTP/1.0 503 Service Unavailable"),
        ] {
            let mut head = Head::default();
            head.status = status;
            let mut out = Vec::new();
            write_response(&head, Framing::Length(0), Persist::Default, to, false, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.lines().next(), Some(line));
        }
    }

    #[test]
    fn an_answer_to_head_announces_what_get_would_have_had() {
        let mut head = Head::default();
        head.status = 200;
        let mut out = Vec::new();
        write_response(&head, Framing::Unsent, Persist::Default, Version::H11, false, &mut out);
        assert_eq!(out, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        head.push(b"content-length", b"7");
        out.clear();
        write_response(&head, Framing::Unsent, Persist::Default, Version::H11, false, &mut out);
        assert_eq!(out, b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
    }

    #[test]
    fn framing_is_rebuilt_and_never_copied() {
        let mut head = Head::default();
        head.set_request(b"POST", b"/", b"h");
        head.push(b"content-length", b"9");
        head.push(b"transfer-encoding", b"chunked");
        head.push(b"host", b"evil");
        let mut out = Vec::new();
        write_request(&head, Framing::Length(3), false, &mut out);
        assert_eq!(out, b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n");
        out.clear();
        write_request(&head, Framing::None, false, &mut out);
        assert_eq!(out, b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n");
    }
    #[test]
    fn names_are_written_as_they_came_or_in_proper_case() {
        use crate::h1::{Limits, parse_request};
        let text = b"GET / HTTP/1.1\r\nHOST: h\r\nX-mIXED: 1\r\nx-2nd_field: 2\r\n\r\n";
        let (mut cased, mut plain) = (Head::default(), Head::default());
        parse_request(text, &mut cased, &Limits { keeps_case: true, ..Limits::default() }).unwrap().unwrap();
        parse_request(text, &mut plain, &Limits::default()).unwrap().unwrap();
        let written = |head: &mut Head, proper| {
            head.set(b"x-mixed", b"3");
            head.push(b"x-new", b"4");
            let mut out = Vec::new();
            write_request(head, Framing::Chunked, proper, &mut out);
            String::from_utf8(out).unwrap()
        };
        let rest = "x-2nd_field: 2\r\nX-mIXED: 3\r\nx-new: 4\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(written(&mut cased, true), format!("GET / HTTP/1.1\r\nHOST: h\r\n{rest}"));
        let rest = "X-2nd_Field: 2\r\nX-Mixed: 3\r\nX-New: 4\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(written(&mut plain, true), format!("GET / HTTP/1.1\r\nHost: h\r\n{rest}"));
    }
}
