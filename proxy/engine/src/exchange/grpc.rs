//! What an answer of the proxy's own looks like to a gRPC client: status 200, and gRPC's code and words in the head. Knows no
//! faults.

use forebay_http::{Head, Known};

/// Whether the request is a gRPC call, by its content type.
pub(super) fn is_call(req: &Head) -> bool {
    let kind = req.known(Known::ContentType).and_then(|kind| kind.strip_prefix(b"application/grpc"));
    kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// Turns an HTTP answer into a gRPC one; what was its body is its message now.
pub(super) fn answer(res: &mut Head, status: Option<u32>, body: &[u8]) -> &'static [u8] {
    let mut digits = itoa::Buffer::new();
    let code = digits.format(status.unwrap_or_else(|| code(res.status)));
    res.status = 200;
    res.set(Known::ContentType.name(), b"application/grpc");
    res.set(Known::GrpcStatus.name(), code.as_bytes());
    if !body.is_empty() {
        res.set(b"grpc-message", &percent(body));
    }
    b""
}

/// gRPC's code for an HTTP status (grpc/doc/http-grpc-status-mapping.md).
fn code(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

/// As gRPC wants its messages: what is not printable ASCII, and the percent sign, as `%XX`.
fn percent(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        if matches!(b, b' '..=b'~') && b != b'%' {
            out.push(b);
        } else {
            out.push(b'%');
            out.extend([b >> 4, b & 15].iter().filter_map(|n| HEX.get(usize::from(*n))));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_its_content_type() {
        for (kind, call) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut head = Head::default();
            head.push(b"content-type", kind.as_bytes());
            assert_eq!(is_call(&head), call, "{kind}");
        }
    }

    #[test]
    fn words_become_a_message_that_any_header_can_carry() {
        let mut head = Head::default();
        head.status = 503;
        head.push(b"content-type", b"text/plain");
        assert!(answer(&mut head, None, "50% of \u{fc}\n".as_bytes()).is_empty());
        assert_eq!((head.status, head.get(b"grpc-status")), (200, Some(&b"14"[..])));
        assert_eq!(head.get(b"grpc-message"), Some(&b"50%25 of %C3%BC%0A"[..]));
        assert_eq!(head.get(b"content-type"), Some(&b"application/grpc"[..]));
    }
}
