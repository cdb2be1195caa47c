//! Which protocol a plain-text client speaks, from its first bytes. Pure.

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniff {
    /// HTTP/2 with prior knowledge: the first line of the connection preface is there, which no HTTP/1 request can have.
    Http2,
    /// Not HTTP/2; HTTP/1, if anything.
    Http1,
    /// So far this is a beginning of that line: ask again with more bytes.
    More,
}

/// The HTTP/2 client connection preface (RFC 9113, 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of the preface's first line.
const LINE: usize = 16;

/// Judges the first bytes of a connection. `PRI` is reserved as a method (RFC 9113, 11.5), so a request can share at most
/// a few bytes with the preface; one that is cut short inside them gets no answer before its next byte, as from Envoy.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    let common = first.len().min(LINE);
    if first[..common] != PREFACE[..common] {
        Sniff::Http1
    } else if common == LINE {
        Sniff::Http2
    } else {
        Sniff::More
    }
}

#[cfg(test)]
mod tests;
