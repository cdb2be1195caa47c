//! Heads between the `http` crate's types, which `h2` speaks, and ours. Owns the rules of RFC 9113 8.2-8.3 that `h2` leaves open.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

use crate::h1::{Framing, parse_authority_ok};
use crate::head::{Head, Scheme, Version};
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

/// Fills a head from a request, and says how its body is to be framed where framing is needed.
pub(super) fn request(
    parts: &http::request::Parts,
    end: bool,
    limit: usize,
    head: &mut Head,
) -> Result<Framing, BadRequest> {
    head.clear();
    head.version = Version::H2;
    // Extended CONNECT (RFC 8441) is an upgrade, and from here on looks like one of HTTP/1.1.
    let protocol = parts.extensions.get::<h2::ext::Protocol>();
    let connect = parts.method == http::Method::CONNECT && protocol.is_none();
    if parts.uri.scheme_str().is_some_and(|s| s.eq_ignore_ascii_case("https")) {
        head.scheme = Scheme::Https;
    }
    let host = parts.headers.get(http::header::HOST).map(HeaderValue::as_bytes);
    let authority = parts.uri.authority().map(|a| a.as_str().as_bytes());
    let authority = match (authority, host) {
        (Some(a), Some(h)) if !a.eq_ignore_ascii_case(h) => return Err(BadRequest::Authority),
        (Some(a), _) => a,
        (None, Some(h)) => h,
        (None, None) => return Err(BadRequest::Authority),
    };
    if authority.is_empty() || !parse_authority_ok(authority) {
        return Err(BadRequest::Authority);
    }
    if connect {
        // An authority and nothing else (RFC 9113 8.5).
        head.set_request(b"CONNECT", b"", authority);
        if parts.headers.len() > limit {
            return Err(BadRequest::TooManyHeaders);
        }
        copy_fields(&parts.headers, head);
        return Ok(Framing::None);
    }
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    if !(path.starts_with('/') || path == "*" && parts.method == http::Method::OPTIONS) {
        return Err(BadRequest::Path);
    }
    let method = if protocol.is_some() { "GET" } else { parts.method.as_str() };
    head.set_request(method.as_bytes(), path.as_bytes(), authority);
    // The four pseudo headers count as well.
    if parts.headers.len() + 4 > limit {
        return Err(BadRequest::TooManyHeaders);
    }
    copy_fields(&parts.headers, head);
    if let Some(protocol) = protocol {
        head.push(b"connection", b"upgrade");
        head.push(b"upgrade", protocol.as_str().as_bytes());
        return Ok(Framing::None);
    }
    if end {
        return Ok(Framing::None);
    }
    match parts.headers.get_all(http::header::CONTENT_LENGTH).iter().collect::<Vec<_>>().as_slice() {
        [] => Ok(Framing::Chunked),
        [one] => {
            let n = one
                .to_str()
                .ok()
                .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|t| t.parse().ok());
            n.map(Framing::Length).ok_or(BadRequest::Length)
        }
        _ => Err(BadRequest::Length),
    }
}

/// Fills a head from a response; the framing is what an HTTP/1.1 client would need.
pub(super) fn response(parts: &http::response::Parts, end: bool, head: &mut Head) -> Framing {
    head.clear();
    head.version = Version::H2;
    head.status = parts.status.as_u16();
    copy_fields(&parts.headers, head);
    let length = head
        .known(Known::ContentLength)
        .and_then(|v| std::str::from_utf8(v).ok())
        .and_then(|t| t.parse().ok());
    match (end, length) {
        (true, _) => Framing::None,
        (false, Some(n)) => Framing::Length(n),
        (false, None) => Framing::Chunked,
    }
}

fn copy_fields(map: &HeaderMap, head: &mut Head) {
    let mut cookie: Vec<u8> = Vec::new();
    for (name, value) in map {
        if name == http::header::HOST {
            continue;
        }
        if name == http::header::COOKIE {
            // Crumbs of one cookie header are joined again for whoever speaks HTTP/1.1 (RFC 9113 8.2.3).
            if !cookie.is_empty() {
                cookie.extend_from_slice(b"; ");
            }
            cookie.extend_from_slice(value.as_bytes());
            continue;
        }
        head.push(name.as_str().as_bytes(), value.as_bytes());
    }
    if !cookie.is_empty() {
        head.push(b"cookie", &cookie);
    }
}

/// Trailers as a head.
pub(super) fn trailers(map: &HeaderMap) -> Head {
    let mut head = Head::default();
    for (name, value) in map {
        head.push(name.as_str().as_bytes(), value.as_bytes());
    }
    head
}

/// Fields as `h2` wants them; what cannot be said in HTTP/2 is left out.
pub(super) fn fields(head: &Head) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(head.len());
    for (name, value, known) in head.iter() {
        if matches!(
            known,
            Known::Host | Known::TransferEncoding | Known::Connection | Known::Upgrade | Known::KeepAlive
        ) {
            continue;
        }
        let parsed = match known.header_name() {
            Some(name) => Ok(name),
            None => HeaderName::from_lowercase(name),
        };
        if let (Ok(parsed), Ok(mut value)) = (parsed, HeaderValue::from_bytes(value)) {
            value.set_sensitive(is_never_indexed(known, name));
            map.append(parsed, value);
        }
    }
    map
}

/// Whether a value stays out of the compression table that all streams of a connection share (RFC 7541 7.1.3): secrets, since
/// one client could guess another's by the size of its own request, and what is new in each request, since it would push out
/// everything that repeats.
fn is_never_indexed(known: Known, name: &[u8]) -> bool {
    match known {
        Known::XRequestId => true,
        Known::Other => matches!(
            name,
            b"authorization"
                | b"proxy-authorization"
                | b"cookie"
                | b"traceparent"
                | b"tracestate"
                | b"b3"
                | b"x-b3-traceid"
                | b"x-b3-spanid"
                | b"x-b3-parentspanid"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_what_never_repeats_stay_out_of_the_table() {
        let mut head = Head::default();
        for (name, value) in
            [("x-request-id", "1"), ("cookie", "a=b"), ("accept", "*/*"), ("x-forwarded-for", "::1")]
        {
            head.push(name.as_bytes(), value.as_bytes());
        }
        let map = fields(&head);
        let sensitive = |name: &str| map.get(name).map(HeaderValue::is_sensitive);
        assert_eq!((sensitive("x-request-id"), sensitive("cookie")), (Some(true), Some(true)));
        assert_eq!((sensitive("accept"), sensitive("x-forwarded-for")), (Some(false), Some(false)));
    }
}
