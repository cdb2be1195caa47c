//! What a header block says, gathered straight into a [`Head`], and what a message's head must and must not have (RFC 9113 8).
//! Knows no frames and no streams.

use thiserror::Error;

use super::hpack::OVERHEAD;
use crate::h1::{Framing, parse_authority_ok};
use crate::head::{Head, Scheme, Span, Version};
use crate::known::Known;

/// Why a well-framed HTTP/2 request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum BadRequest {
    #[error(":authority and host differ or are malformed")]
    Authority,
    #[error(":path is neither absolute nor *")]
    Path,
    #[error("Content-Length repeats or is not a number")]
    Length,
    #[error("more headers than the limit")]
    TooManyHeaders,
}

/// A head that breaks the rules: its stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a field is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Field(Known),
    Cookie,
    Pseudo(Pseudo),
    /// Its name is none, or its value must not be.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
    Status,
}

impl Pseudo {
    const COUNT: usize = 6;
}

/// Lower-case tokens: what names are made of.
static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\''
            | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| NAME_BYTES.get(usize::from(*b)) == Some(&true))
}

/// Whether a value has no control characters; without a branch for each byte.
#[inline]
pub(crate) fn is_value(value: &[u8]) -> bool {
    !value.iter().fold(false, |bad, &b| bad | ((b < 0x20) & (b != b'\t')) | (b == 0x7f))
}

impl Kind {
    /// What a name is.
    pub(crate) fn of(name: &[u8]) -> Kind {
        match name {
            b":method" => Kind::Pseudo(Pseudo::Method),
            b":scheme" => Kind::Pseudo(Pseudo::Scheme),
            b":authority" => Kind::Pseudo(Pseudo::Authority),
            b":path" => Kind::Pseudo(Pseudo::Path),
            b":protocol" => Kind::Pseudo(Pseudo::Protocol),
            b":status" => Kind::Pseudo(Pseudo::Status),
            b"cookie" => Kind::Cookie,
            name => match Known::of(name) {
                Known::Other if !is_name(name) => Kind::Bad,
                known => Kind::Field(known),
            },
        }
    }
}

/// A header block as it is decoded.
pub(crate) struct Fields {
    head: Head,
    pseudo: [Option<Span>; Pseudo::COUNT],
    host: Option<Span>,
    /// A regular field has come: pseudo fields may not.
    regular: bool,
    bad: bool,
    /// More than the limit: what came after is not kept.
    over: bool,
    size: usize,
    limit: usize,
    count: usize,
    cookies: usize,
}

impl Fields {
    /// `head` is a spare one; `limit` bounds the list by RFC 9113's count.
    pub(crate) fn new(mut head: Head, limit: usize) -> Self {
        head.clear();
        head.version = Version::H2;
        Self {
            head,
            pseudo: [None; Pseudo::COUNT],
            host: None,
            regular: false,
            bad: false,
            over: false,
            size: 0,
            limit,
            count: 0,
            cookies: 0,
        }
    }

    // === for the decoder

    /// Where the next field begins.
    #[inline]
    pub(crate) fn begin(&self) -> usize {
        self.head.size()
    }

    /// What names and values are appended to.
    #[inline]
    pub(crate) fn block(&mut self) -> &mut Vec<u8> {
        self.head.block_mut()
    }

    #[inline]
    pub(crate) fn since(&self, at: usize) -> &[u8] {
        self.head.since(at)
    }

    /// The field whose name of `name` bytes begins at `at`, with its value behind it, is whole.
    #[inline]
    pub(crate) fn commit(&mut self, at: usize, name: usize, kind: Kind) {
        let value = self.head.size() - at - name;
        self.size += name + value + OVERHEAD;
        if self.size > self.limit {
            self.over = true;
            return self.head.truncate(at);
        }
        self.count += 1;
        let span = |at: usize, len: usize| Span { at: at as u32, len: len as u32 };
        let (name_span, value_span) = (span(at, name), span(at + name, value));
        match kind {
            Kind::Field(Known::Host) => {
                self.regular = true;
                self.bad |= self.host.replace(value_span).is_some();
            }
            Kind::Field(
                Known::Connection
                | Known::KeepAlive
                | Known::ProxyConnection
                | Known::TransferEncoding
                | Known::Upgrade,
            )
            | Kind::Bad => self.bad = true,
            Kind::Field(known) => {
                self.regular = true;
                self.bad |= known == Known::Te && self.since(at + name) != b"trailers";
                self.head.push_spans(name_span, value_span, known);
            }
            Kind::Cookie => {
                self.regular = true;
                self.cookies += 1;
                self.head.push_spans(name_span, value_span, Known::Other);
            }
            Kind::Pseudo(pseudo) => match self.pseudo.get_mut(pseudo as usize) {
                Some(slot @ None) if !self.regular => *slot = Some(value_span),
                _ => self.bad = true,
            },
        }
    }

    // === for the connection

    /// Whether the list is longer than the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The head again, for the next block.
    pub(crate) fn into_head(self) -> Head {
        self.head
    }

    fn has(&self, pseudo: Pseudo) -> bool {
        self.text(pseudo).is_some()
    }

    fn text(&self, pseudo: Pseudo) -> Option<&[u8]> {
        let span = (*self.pseudo.get(pseudo as usize)?)?;
        Some(self.head.bytes(span))
    }

    fn span(&self, pseudo: Pseudo) -> Span {
        self.pseudo.get(pseudo as usize).copied().flatten().unwrap_or_default()
    }

    /// What of a head the message's length is to be, if it says so once and well.
    fn length(&self) -> Result<Option<u64>, Malformed> {
        match self.head.known(Known::ContentLength) {
            None => Ok(None),
            Some(text) => number(text).map(Some).ok_or(Malformed),
        }
    }

    /// Crumbs of one cookie header are joined again for whoever speaks HTTP/1.1 (RFC 9113 8.2.3).
    fn join_cookies(&mut self) {
        if self.cookies > 1 {
            let whole = self.head.values(b"cookie").collect::<Vec<_>>().join(&b"; "[..]);
            self.head.set(b"cookie", &whole);
        }
    }

    /// A request. `end`: it has no body; `tunnels`: extended CONNECT (RFC 8441) is understood.
    pub(crate) fn request(mut self, end: bool, tunnels: bool) -> (Head, Result<Request, Malformed>) {
        let read = self.read_request(end, tunnels);
        (self.head, read)
    }

    fn read_request(&mut self, end: bool, tunnels: bool) -> Result<Request, Malformed> {
        let method = self.text(Pseudo::Method).unwrap_or_default();
        let token = |b: &u8| NAME_BYTES.get(usize::from(b.to_ascii_lowercase())) == Some(&true);
        if self.bad || self.has(Pseudo::Status) || method.is_empty() || !method.iter().all(token) {
            return Err(Malformed);
        }
        let is_connect = method == b"CONNECT";
        let extended = self.has(Pseudo::Protocol);
        let plain_connect = is_connect && !extended;
        let proper = match (self.has(Pseudo::Scheme), self.has(Pseudo::Path)) {
            (true, true) => !plain_connect && (!extended || is_connect && tunnels),
            (false, false) => plain_connect,
            _ => false,
        };
        if !proper {
            return Err(Malformed);
        }
        self.join_cookies();
        if self.text(Pseudo::Scheme).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https")) {
            self.head.scheme = Scheme::Https;
        }
        // Extended CONNECT is an upgrade, and from here on looks like one of HTTP/1.1.
        let said = self.length()?;
        let mut request =
            Request { framing: Ok(Framing::None), tunnel: is_connect, count: self.count, length: None };
        if let Err(bad) = self.authority() {
            request.framing = Err(bad);
            return Ok(request);
        }
        self.head.set_method_span(self.span(Pseudo::Method));
        if plain_connect {
            // An authority and nothing else (RFC 9113 8.5).
            return Ok(request);
        }
        let span = self.span(Pseudo::Path);
        let path = self.head.bytes(span);
        if path.is_empty() || path.iter().any(|b| *b <= b' ' || *b == 0x7f) {
            return Err(Malformed);
        }
        if !(path.starts_with(b"/")
            || path == b"*" && self.head.bytes(self.span(Pseudo::Method)) == b"OPTIONS")
        {
            request.framing = Err(BadRequest::Path);
            return Ok(request);
        }
        // A fragment is nobody's but the client's own.
        let len = memchr::memchr(b'#', path).unwrap_or(path.len()) as u32;
        self.head.set_path_span(Span { len, ..span });
        if extended {
            self.head.set_method(b"GET");
            let protocol = self.text(Pseudo::Protocol).unwrap_or_default().to_vec();
            self.head.push(b"connection", b"upgrade");
            self.head.push(b"upgrade", &protocol);
            return Ok(request);
        }
        let once = !self.head.repeats(Known::ContentLength);
        request.length = said.filter(|_| once);
        if end && said.is_some_and(|n| n > 0) {
            return Err(Malformed);
        }
        request.framing = match said {
            _ if end => Ok(Framing::None),
            _ if !once => Err(BadRequest::Length),
            Some(n) => Ok(Framing::Length(n)),
            None => Ok(Framing::Chunked),
        };
        Ok(request)
    }

    fn authority(&mut self) -> Result<(), BadRequest> {
        let span = match (self.pseudo.get(Pseudo::Authority as usize).copied().flatten(), self.host) {
            (Some(a), Some(h)) if !self.head.bytes(a).eq_ignore_ascii_case(self.head.bytes(h)) => {
                return Err(BadRequest::Authority);
            }
            (Some(a), _) => a,
            (None, Some(h)) => h,
            (None, None) => return Err(BadRequest::Authority),
        };
        let authority = self.head.bytes(span);
        if authority.is_empty() || !parse_authority_ok(authority) {
            return Err(BadRequest::Authority);
        }
        self.head.set_authority_span(span);
        Ok(())
    }

    /// A response, interim ones too. `end`: it has no body; `bodiless`: whatever it says of one.
    pub(crate) fn response(mut self, end: bool, bodiless: bool) -> (Head, Result<Response, Malformed>) {
        let read = self.read_response(end, bodiless);
        (self.head, read)
    }

    fn read_response(&mut self, end: bool, bodiless: bool) -> Result<Response, Malformed> {
        let others = [Pseudo::Method, Pseudo::Scheme, Pseudo::Authority, Pseudo::Path, Pseudo::Protocol];
        let status = self.text(Pseudo::Status).unwrap_or_default();
        if self.bad || others.iter().any(|p| self.has(*p)) || status.len() != 3 {
            return Err(Malformed);
        }
        let status = number(status).filter(|n| (100..1000).contains(n)).ok_or(Malformed)?;
        self.join_cookies();
        self.head.status = status as u16;
        let said = self.length()?;
        let bodiless = bodiless || matches!(status, 204 | 304);
        if end && !bodiless && said.is_some_and(|n| n > 0) {
            return Err(Malformed);
        }
        let framing = match (end, said) {
            (true, _) => Framing::None,
            (false, Some(n)) => Framing::Length(n),
            (false, None) => Framing::Chunked,
        };
        Ok(Response { framing, length: if bodiless { None } else { said } })
    }

    /// Trailers, which have no pseudo fields.
    pub(crate) fn trailers(self) -> (Head, Result<(), Malformed>) {
        let bad = self.bad || self.pseudo.iter().any(Option::is_some);
        (self.head, if bad { Err(Malformed) } else { Ok(()) })
    }
}

/// Digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a request's head came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) framing: Result<Framing, BadRequest>,
    /// A CONNECT, extended or not.
    pub(crate) tunnel: bool,
    /// Fields, pseudo ones too.
    pub(crate) count: usize,
    /// Bytes of body that have to come.
    pub(crate) length: Option<u64>,
}

/// What a response's head came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Response {
    pub(crate) framing: Framing,
    pub(crate) length: Option<u64>,
}

#[cfg(test)]
mod tests;
