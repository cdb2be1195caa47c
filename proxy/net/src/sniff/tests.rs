use proptest::prelude::*;

use super::*;

#[test]
fn the_preface_is_http2_once_its_first_line_is_whole() {
    assert_eq!(sniff(b""), Sniff::More);
    for n in 1..PREFACE.len() {
        let verdict = if n < LINE { Sniff::More } else { Sniff::Http2 };
        assert_eq!(sniff(&PREFACE[..n]), verdict, "{n} bytes");
    }
    assert_eq!(sniff(PREFACE), Sniff::Http2);
    let mut with_settings = PREFACE.to_vec();
    with_settings.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    assert_eq!(sniff(&with_settings), Sniff::Http2);
}

#[test]
fn everything_else_is_http1() {
    for first in [
        &b"G"[..],
        b"GET / HTTP/1.1\r\n",
        b"PO",
        b"PRI * HTTP/1.1\r\n\r\n",
        b"PRI / HTTP/2.0",
        b"\x16\x03\x01",
        b"\r\n",
    ] {
        assert_eq!(sniff(first), Sniff::Http1, "{first:?}");
    }
}

proptest! {
    /// However the bytes arrive, the first verdict that is not `More` is the verdict on the whole.
    #[test]
    fn a_verdict_never_changes(tail in proptest::collection::vec(any::<u8>(), 0..8), keep in 0usize..=24) {
        let mut bytes = PREFACE[..keep].to_vec();
        bytes.extend(tail);
        let whole = sniff(&bytes);
        for n in 0..=bytes.len() {
            let verdict = sniff(&bytes[..n]);
            prop_assert!(verdict == whole || verdict == Sniff::More, "{n}: {verdict:?} then {whole:?}");
        }
    }
}
