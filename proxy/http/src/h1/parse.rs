//! Heads from bytes, strictly: a message whose framing two readers could see differently is refused, never repaired.
//! Owns the rules of RFC 9112 3-6 for both directions; knows no sockets.

use std::mem::MaybeUninit;

use thiserror::Error;

use super::body::Framing;
use crate::head::{Head, Scheme, Span, Version};
use crate::known::Known;

/// Bounds of a head.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole head. 60 KiB, Envoy's `max_request_headers_kb`.
    pub head_bytes: usize,
    /// Number of header lines. 100, Envoy's `max_headers_count`; more than 200 is not supported.
    pub headers: usize,
    /// Whether HTTP/1.0 requests are served.
    pub http10: bool,
    /// Whether the names of fields are remembered as they were written.
    pub keeps_case: bool,
    /// Whether CONNECT is served.
    pub connect: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 60 * 1024, headers: 100, http10: true, keeps_case: false, connect: true }
    }
}

/// The most header lines the parser's table on the stack can hold.
const TABLE: usize = 200;

/// The rule a head broke. The connection cannot go on after any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum Reject {
    #[error("the request line or a header line is malformed")]
    Malformed,
    #[error("a line ends in a bare CR or LF")]
    BareLineEnd,
    #[error("the HTTP version is not 1.0 or 1.1")]
    Version,
    #[error("more header lines than the limit")]
    TooManyHeaders,
    #[error("the head is longer than the limit")]
    TooLarge,
    #[error("HTTP/1.1 without a Host header")]
    NoHost,
    #[error("more than one Host header")]
    RepeatedHost,
    #[error("the Host header or the target's authority is malformed")]
    BadHost,
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    #[error("Content-Length repeats or is not a number")]
    BadLength,
    #[error("a Transfer-Encoding other than one single chunked")]
    Encoding,
    #[error("Transfer-Encoding in HTTP/1.0")]
    EncodingInHttp10,
    #[error("the request target is neither a path nor an http URL")]
    Target,
    #[error("the request target's scheme is neither http nor https")]
    Scheme,
    #[error("the request target has a fragment")]
    Fragment,
    #[error("a control character where none may be")]
    Characters,
    #[error("CONNECT is not served")]
    Connect,
    #[error("CONNECT with a body")]
    ConnectBody,
}

impl Reject {
    /// Whether the head was read to its end, and what is wrong is what it says.
    pub const fn has_head(self) -> bool {
        matches!(self, Reject::NoHost | Reject::Fragment)
    }
}

/// What framing and connection headers of a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMeta {
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the client lets the connection live on.
    pub keep_alive: bool,
    /// Whether it waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether it asks for a tunnel: for an upgrade (`Connection: upgrade` with `Upgrade`), or by CONNECT.
    pub upgrade: bool,
}

/// The same of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseMeta {
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the server lets the connection live on.
    pub keep_alive: bool,
}

/// Reads a request head off `bytes`: how many bytes it took, or `None` when more are needed.
pub fn parse_request(
    bytes: &[u8],
    head: &mut Head,
    limits: &Limits,
) -> Result<Option<(usize, RequestMeta)>, Reject> {
    // One empty line before a request is tolerated (RFC 9112 2.2); httparse skips it.
    let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; TABLE];
    let room = table.get_mut(..limits.headers.min(TABLE)).unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, room).map_err(|e| reject(bytes, e))?;
    let httparse::Status::Complete(len) = status else {
        return if bytes.len() >= limits.head_bytes { Err(Reject::TooLarge) } else { Ok(None) };
    };
    if len > limits.head_bytes {
        return Err(Reject::TooLarge);
    }
    let block = bytes.get(..len).unwrap_or_default();
    if !lines_end_well(block, &request) {
        only_crlf(block)?;
    }
    let (method, target, version) =
        (request.method.unwrap_or_default(), request.path.unwrap_or_default(), request.version);
    head.fill(block);
    head.version = if version == Some(0) { Version::H10 } else { Version::H11 };
    if head.version == Version::H10 && !limits.http10 {
        return Err(Reject::Version);
    }
    if limits.keeps_case {
        head.keep_case();
    }
    head.set_method_span(span(bytes, method.as_bytes()));
    for h in request.headers.iter() {
        head.index(span(bytes, h.name.as_bytes()), span(bytes, h.value));
    }
    let meta = request_meta(head, limits);
    let target = take_target(head, bytes, method, target);
    let meta = meta?;
    target?;
    Ok(Some((len, meta)))
}

/// Reads a response head. `to_head` says that the request was HEAD, whose response has no body whatever it declares.
pub fn parse_response(
    bytes: &[u8],
    head: &mut Head,
    limits: &Limits,
    to_head: bool,
) -> Result<Option<(usize, ResponseMeta)>, Reject> {
    let mut table = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; TABLE];
    let room = table.get_mut(..limits.headers.min(TABLE)).unwrap_or_default();
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config
        .parse_response_with_uninit_headers(&mut response, bytes, room)
        .map_err(|e| reject(bytes, e))?;
    let httparse::Status::Complete(len) = status else {
        return if bytes.len() >= limits.head_bytes { Err(Reject::TooLarge) } else { Ok(None) };
    };
    head.fill(bytes.get(..len).unwrap_or_default());
    head.version = if response.version == Some(0) { Version::H10 } else { Version::H11 };
    head.status = response.code.unwrap_or_default();
    if limits.keeps_case {
        head.keep_case();
    }
    for h in response.headers.iter() {
        head.index(span(bytes, h.name.as_bytes()), span(bytes, h.value));
    }
    let framing = match (head.status, body_headers(head)?) {
        (100..=199 | 204 | 304, _) => Framing::None,
        _ if to_head => Framing::None,
        (_, Some(framing)) => framing,
        (_, None) => Framing::Close,
    };
    let keep_alive = persistent(head) && framing != Framing::Close;
    Ok(Some((len, ResponseMeta { framing, keep_alive })))
}

/// Whether a request line names a version at all: behind a blank in the target stands none.
fn names_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let mut words = line.split(|b| *b == b' ').filter(|word| !word.is_empty());
    words.nth(2).is_some_and(|version| version.starts_with(b"HTTP/"))
}

/// Whether it is a request of HTTP/0.9: a method, a path and nothing else.
fn is_http09(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.trim_ascii_end().split(|b| *b == b' ').collect();
    matches!(words.as_slice(), [method, path] if method.iter().all(u8::is_ascii_uppercase) && path.starts_with(b"/"))
}

fn reject(bytes: &[u8], e: httparse::Error) -> Reject {
    match e {
        httparse::Error::TooManyHeaders => Reject::TooManyHeaders,
        httparse::Error::Version if names_version(bytes) => Reject::Version,
        _ if is_http09(bytes) => Reject::Version,
        httparse::Error::NewLine => Reject::BareLineEnd,
        // httparse names the token, not the line end, where a bare CR stands inside a line.
        _ if bytes.windows(2).any(|w| matches!(w, [b'\r', b] if *b != b'\n')) => Reject::BareLineEnd,
        // What does not begin as text is no message with a stray byte in it but something else altogether.
        _ if bytes.first().is_some_and(u8::is_ascii_graphic) && bytes.iter().any(is_stray) => {
            Reject::Characters
        }
        _ => Reject::Malformed,
    }
}

/// A control character that ends no line and is no blank.
fn is_stray(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Whether each line, where its parts say that it ends, ends in CRLF and the first begins at once. Cheaper than to search the block
/// for line ends, which is for those that fail this.
#[inline]
fn lines_end_well(block: &[u8], request: &httparse::Request<'_, '_>) -> bool {
    let is_crlf = |at: usize| block.get(at..at + 2).and_then(<[u8]>::first_chunk) == Some(b"\r\n");
    let begins = |part: &str| span(block, part.as_bytes()).at as usize;
    request.method.is_some_and(|method| begins(method) == 0)
        && request.headers.iter().all(|h| begins(h.name).checked_sub(2).is_some_and(is_crlf))
        && block.ends_with(b"\r\n\r\n")
}

/// httparse ends a line at a lone LF; we do not.
#[inline]
fn only_crlf(block: &[u8]) -> Result<(), Reject> {
    for at in memchr::memchr_iter(b'\n', block) {
        if at == 0 || block.get(at - 1) != Some(&b'\r') {
            return Err(Reject::BareLineEnd);
        }
    }
    Ok(())
}

/// The range of a slice that lies in `whole`.
#[inline]
fn span(whole: &[u8], part: &[u8]) -> Span {
    let at = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    debug_assert!(part.is_empty() || at + part.len() <= whole.len());
    Span { at: at as u32, len: part.len() as u32 }
}

/// The body's framing by Content-Length and Transfer-Encoding; `None` when neither is there.
#[inline]
fn body_headers(head: &Head) -> Result<Option<Framing>, Reject> {
    match (head.known(Known::TransferEncoding), head.known(Known::ContentLength)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Reject::LengthAndEncoding),
        (Some(encoding), None) => {
            if head.version == Version::H10 {
                Err(Reject::EncodingInHttp10)
            } else if head.repeats(Known::TransferEncoding) || !encoding.eq_ignore_ascii_case(b"chunked") {
                Err(Reject::Encoding)
            } else {
                Ok(Some(Framing::Chunked))
            }
        }
        (None, Some(length)) => {
            if head.repeats(Known::ContentLength) {
                return Err(Reject::BadLength);
            }
            Ok(Some(Framing::Length(decimal(length).ok_or(Reject::BadLength)?)))
        }
    }
}

/// A plain decimal of at most 19 digits: no sign, no blanks, no list.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

fn request_meta(head: &Head, limits: &Limits) -> Result<RequestMeta, Reject> {
    let framing = body_headers(head)?.unwrap_or(Framing::None);
    let framing = if framing == Framing::Length(0) { Framing::None } else { framing };
    if head.repeats(Known::Host) {
        return Err(Reject::RepeatedHost);
    }
    if !head.has(Known::Host) && head.version == Version::H11 {
        return Err(Reject::NoHost);
    }
    // Nobody speaks h2c that way any more, and who does not may go on as if nothing had been said (RFC 9110 7.8).
    let upgrade = head.version == Version::H11
        && head.known(Known::Upgrade).is_some_and(|to| !to.eq_ignore_ascii_case(b"h2c"))
        && head.has_token(Known::Connection, b"upgrade");
    let connect = head.is_connect();
    if connect && !limits.connect {
        return Err(Reject::Connect);
    }
    if connect {
        // It has no content (RFC 9110 9.3.6); what follows is the tunnel's.
        match framing {
            Framing::None | Framing::Unsent => {}
            Framing::Length(_) => return Err(Reject::ConnectBody),
            Framing::Chunked | Framing::Close => return Err(Reject::Encoding),
        }
    }
    let expects_continue = head.version == Version::H11
        && head.known(Known::Expect).is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
    Ok(RequestMeta { framing, keep_alive: persistent(head), expects_continue, upgrade: upgrade || connect })
}

fn persistent(head: &Head) -> bool {
    if !head.has(Known::Connection) {
        return head.version == Version::H11;
    }
    match head.version {
        Version::H10 => {
            head.has_token(Known::Connection, b"keep-alive") && !head.has_token(Known::Connection, b"close")
        }
        _ => !head.has_token(Known::Connection, b"close"),
    }
}

/// Resolves the request target to path and authority; the Host header becomes the authority and leaves the fields.
fn take_target(head: &mut Head, bytes: &[u8], method: &str, target: &str) -> Result<(), Reject> {
    if method == "CONNECT" {
        // Authority form, whatever Host says (RFC 9112 3.2.3).
        head.set_authority_span(span(bytes, target.as_bytes()));
        head.remove_known(Known::Host);
        let good = !target.is_empty() && valid_authority(target.as_bytes());
        return if good { Ok(()) } else { Err(Reject::Target) };
    }
    if let Some(host) = head.span_of(Known::Host) {
        head.set_authority_span(host);
        head.remove_known(Known::Host);
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        head.set_path_span(span(bytes, target.as_bytes()));
    } else {
        // Absolute form: the target's authority replaces Host (RFC 9112 3.2.2).
        let rest = strip_scheme(head, target)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(Reject::Target);
        }
        if authority.contains('@') {
            return Err(Reject::BadHost);
        }
        head.set_authority_span(span(bytes, authority.as_bytes()));
        // A query alone is no path; whoever routes it says so.
        if path.is_empty() { head.set_path(b"/") } else { head.set_path_span(span(bytes, path.as_bytes())) }
    }
    if target.contains('#') {
        return Err(Reject::Fragment);
    }
    if valid_authority(head.authority()) { Ok(()) } else { Err(Reject::BadHost) }
}

fn strip_scheme<'t>(head: &mut Head, target: &'t str) -> Result<&'t str, Reject> {
    let none = if target == "*" { Reject::Target } else { Reject::Malformed };
    let (scheme, rest) = target.split_once("://").ok_or(none)?;
    head.scheme = match () {
        () if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
        () if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
        () => return Err(Reject::Scheme),
    };
    Ok(rest)
}

/// Bytes of an authority.
const AUTHORITY: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~%!$&'()*+,;=:[]";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether an authority holds only what RFC 3986 lets a host and port hold; empty is valid (HTTP/1.0, and `Host:` of RFC 9112).
pub(crate) fn valid_authority(authority: &[u8]) -> bool {
    authority.iter().all(|&b| AUTHORITY.get(usize::from(b)) == Some(&true))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
