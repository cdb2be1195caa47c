use super::*;

fn sample() -> Head {
    let mut head = Head::default();
    head.set_request(b"GET", b"/a?b", b"example.com");
    for (n, v) in [
        (&b"connection"[..], &b"keep-alive, X-Secret, Content-Length"[..]),
        (b"x-secret", b"1"),
        (b"te", b"gzip, trailers"),
        (b"content-length", b"3"),
        (b"accept", b"a"),
        (b"accept", b"b"),
    ] {
        head.push(n, v);
    }
    head
}

#[test]
fn fields_keep_their_order_and_repeats() {
    let head = sample();
    assert_eq!(head.values(b"accept").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(head.get(b"content-length"), Some(&b"3"[..]));
    assert!(head.has_token(Known::Connection, b"x-secret"));
    assert_eq!(
        (head.method(), head.path(), head.authority()),
        (&b"GET"[..], &b"/a?b"[..], &b"example.com"[..])
    );
}

#[test]
fn hop_by_hop_goes_with_what_connection_names_but_never_the_framing() {
    let mut head = sample();
    head.strip_hop_by_hop();
    let left: Vec<_> = head.iter().map(|(n, v, _)| (n.to_vec(), v.to_vec())).collect();
    let want: Vec<(Vec<u8>, Vec<u8>)> =
        [("content-length", "3"), ("accept", "a"), ("accept", "b"), ("te", "trailers")]
            .iter()
            .map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()))
            .collect();
    assert_eq!(left, want);
}

#[test]
fn set_replaces_every_line_and_append_makes_one() {
    let mut head = sample();
    head.set(b"accept", b"c");
    assert_eq!(head.values(b"accept").collect::<Vec<_>>(), [b"c"]);
    head.append_to(Known::XForwardedFor, b"1.1.1.1");
    head.append_to(Known::XForwardedFor, b"2.2.2.2");
    assert_eq!(head.known(Known::XForwardedFor), Some(&b"1.1.1.1,2.2.2.2"[..]));
    head.push(b"host", b"a");
    head.push(b"host", b"b");
    assert!(head.repeats(Known::Host));
    assert!(head.remove(b"host") && !head.has(Known::Host) && !head.repeats(Known::Host));
    assert!(!head.remove(b"host") && !head.remove(b"nothing"));
}

#[test]
fn a_cleared_head_is_new() {
    let mut head = sample();
    head.clear();
    assert!(
        head.is_empty()
            && head.method().is_empty()
            && head.authority().is_empty()
            && head.get(b"accept").is_none()
    );
}

#[test]
fn names_are_lowered_letter_by_letter_whatever_their_length() {
    for text in [
        "",
        "A",
        "Host",
        "@AZ[`az{",
        "X-FORWARDED-FOR",
        "content-Length",
        "Ünicode-NAME-ß",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ] {
        let mut lowered = text.as_bytes().to_vec();
        lower(&mut lowered);
        assert_eq!(lowered, text.to_ascii_lowercase().as_bytes(), "{text}");
    }
}

#[test]
fn lines_are_written_as_one_by_one_whatever_the_block_looks_like() {
    use crate::h1::{Limits, parse_request};
    let text = b"GET / HTTP/1.1\r\nA: 1\r\nB:2\r\nHost: h\r\nC:  3 \r\nD: \r\nContent-Length: 1\r\nE: 5\r\nA: 6\r\n\r\n";
    let mut head = Head::default();
    parse_request(text, &mut head, &Limits::default()).unwrap().unwrap();
    head.push(b"f", b"7");
    head.set(b"e", b"8");
    head.append_to(Known::XForwardedFor, b"9");
    head.append_to(Known::XForwardedFor, b"10");
    head.push_known(Known::Date, b"");
    head.remove(b"f");
    head.set_known(Known::Server, b"s");
    let mut lines = Vec::new();
    head.write_lines(Known::ContentLength.bit(), &mut lines);
    let mut one_by_one = Vec::new();
    for (name, value, _) in head.iter().filter(|(.., known)| *known != Known::ContentLength) {
        one_by_one.extend([name, b": ", value, b"\r\n"].concat());
    }
    assert_eq!(String::from_utf8(lines), String::from_utf8(one_by_one));
}
