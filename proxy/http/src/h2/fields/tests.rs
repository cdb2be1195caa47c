//! RFC 9113 8: what a message's head must and must not have.

use super::*;
use crate::h2::hpack::{Decoder, Encoder};
use crate::h2::write;

fn read(fields: &[(&str, &str)]) -> Fields {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    let mut into = Fields::new(Head::default(), 10_000);
    Decoder::default().decode(&block, &mut into).unwrap();
    into
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/a?b#c"), (":authority", "h:80")];

fn with(more: &[(&'static str, &'static str)]) -> Fields {
    read(&[&GET[..], more].concat())
}

#[test]
fn a_request_is_read() {
    let (head, request) = with(&[("accept", "*/*"), ("cookie", "a=1"), ("host", "H:80"), ("cookie", "b=2")])
        .request(true, false);
    let request = request.unwrap();
    assert_eq!((request.framing, request.count, request.tunnel), (Ok(Framing::None), 8, false));
    assert_eq!((head.method(), head.path(), head.authority()), (&b"GET"[..], &b"/a?b"[..], &b"h:80"[..]));
    assert_eq!(head.get(b"cookie"), Some(&b"a=1; b=2"[..]), "crumbs are joined");
    assert_eq!((head.len(), head.get(b"host"), head.version), (2, None, Version::H2));
}

#[test]
fn lengths_are_believed_if_they_are_said_once_and_well() {
    let framing = |more: &[(&'static str, &'static str)], end| {
        with(more).request(end, false).1.map(|request| request.framing)
    };
    assert_eq!(framing(&[("content-length", "7")], false), Ok(Ok(Framing::Length(7))));
    assert_eq!(framing(&[], false), Ok(Ok(Framing::Chunked)));
    assert_eq!(framing(&[("content-length", "0")], true), Ok(Ok(Framing::None)));
    assert_eq!(framing(&[("content-length", "7")], true), Err(Malformed), "a body that does not come");
    assert_eq!(framing(&[("content-length", "+7")], false), Err(Malformed));
    assert_eq!(framing(&[("content-length", "99999999999999999999")], false), Err(Malformed));
    let twice = [("content-length", "7"), ("content-length", "7")];
    assert_eq!(framing(&twice, false), Ok(Err(BadRequest::Length)));
}

#[test]
fn malformed_requests_are_known() {
    let malformed: [(&str, &[(&str, &str)]); 22] = [
        ("no method", &[GET[1], GET[2], GET[3]]),
        ("no scheme", &[GET[0], GET[2], GET[3]]),
        ("no path", &[GET[0], GET[1], GET[3]]),
        ("an empty path", &[GET[0], GET[1], (":path", ""), GET[3]]),
        ("a blank in the path", &[GET[0], GET[1], (":path", "/a b"), GET[3]]),
        ("two paths", &[GET[0], GET[1], GET[2], GET[2]]),
        ("a status", &[GET[0], GET[1], GET[2], GET[3], (":status", "200")]),
        ("an unknown pseudo field", &[GET[0], GET[1], GET[2], GET[3], (":what", "1")]),
        ("a pseudo field behind", &[GET[0], GET[1], GET[3], ("a", "b"), GET[2]]),
        ("a method that is no token", &[(":method", "G T"), GET[1], GET[2], GET[3]]),
        ("an upper-case name", &[GET[0], GET[1], GET[2], GET[3], ("Accept", "*/*")]),
        ("an empty name", &[GET[0], GET[1], GET[2], GET[3], ("", "x")]),
        ("a line break in a value", &[GET[0], GET[1], GET[2], GET[3], ("a", "b\r\nc: d")]),
        ("NUL in a value", &[GET[0], GET[1], GET[2], GET[3], ("a", "b\0")]),
        ("connection", &[GET[0], GET[1], GET[2], GET[3], ("connection", "close")]),
        ("transfer-encoding", &[GET[0], GET[1], GET[2], GET[3], ("transfer-encoding", "chunked")]),
        ("upgrade", &[GET[0], GET[1], GET[2], GET[3], ("upgrade", "h2c")]),
        ("te other than trailers", &[GET[0], GET[1], GET[2], GET[3], ("te", "gzip")]),
        ("CONNECT with a path", &[(":method", "CONNECT"), GET[2], GET[3]]),
        (
            "extended CONNECT unasked for",
            &[(":method", "CONNECT"), GET[1], GET[2], GET[3], (":protocol", "x")],
        ),
        ("a protocol without CONNECT", &[GET[0], GET[1], GET[2], GET[3], (":protocol", "x")]),
        ("two hosts", &[GET[0], GET[1], GET[2], ("host", "a"), ("host", "b")]),
    ];
    for (what, fields) in malformed {
        assert!(read(fields).request(true, false).1.is_err(), "{what}");
    }
}

#[test]
fn well_formed_requests_may_still_be_refused() {
    let refused = |fields: &[(&str, &str)]| read(fields).request(true, false).1.unwrap().framing.unwrap_err();
    assert_eq!(refused(&[GET[0], GET[1], GET[2]]), BadRequest::Authority);
    assert_eq!(refused(&[GET[0], GET[1], GET[2], GET[3], ("host", "other")]), BadRequest::Authority);
    assert_eq!(refused(&[GET[0], GET[1], GET[2], (":authority", "a b")]), BadRequest::Authority);
    assert_eq!(refused(&[GET[0], GET[1], (":path", "x"), GET[3]]), BadRequest::Path);
    assert_eq!(refused(&[GET[0], GET[1], (":path", "*"), GET[3]]), BadRequest::Path);
    let options = read(&[(":method", "OPTIONS"), GET[1], (":path", "*"), GET[3]]).request(true, false).1;
    assert_eq!(options.unwrap().framing, Ok(Framing::None));
}

#[test]
fn tunnels_are_of_two_kinds() {
    let (head, request) = read(&[(":method", "CONNECT"), GET[3]]).request(false, false);
    assert!(request.unwrap().tunnel && head.is_connect());
    assert_eq!((head.path(), head.authority()), (&b""[..], &b"h:80"[..]));
    let extended = [(":method", "CONNECT"), GET[1], (":path", "/chat"), GET[3], (":protocol", "websocket")];
    let (head, request) = read(&extended).request(false, true);
    assert!(request.unwrap().tunnel);
    assert_eq!((head.method(), head.path()), (&b"GET"[..], &b"/chat"[..]));
    assert_eq!(
        (head.known(Known::Upgrade), head.known(Known::Connection)),
        (Some(&b"websocket"[..]), Some(&b"upgrade"[..]))
    );
}

#[test]
fn responses_have_a_status_and_no_other_pseudo_field() {
    let read =
        |fields: &[(&str, &str)], end, bodiless| read(fields).response(end, bodiless).1.map(|r| r.framing);
    assert_eq!(read(&[(":status", "200")], true, false), Ok(Framing::None));
    assert_eq!(read(&[(":status", "200"), ("content-length", "3")], false, false), Ok(Framing::Length(3)));
    assert_eq!(read(&[(":status", "200"), ("content-length", "3")], true, true), Ok(Framing::None), "HEAD");
    assert_eq!(read(&[(":status", "304"), ("content-length", "3")], true, false), Ok(Framing::None));
    assert_eq!(read(&[(":status", "200"), ("content-length", "3")], true, false), Err(Malformed));
    assert_eq!(read(&[], true, false), Err(Malformed));
    assert_eq!(read(&[(":status", "20")], true, false), Err(Malformed));
    assert_eq!(read(&[(":status", "2x0")], true, false), Err(Malformed));
    assert_eq!(read(&[(":status", "200"), (":path", "/")], true, false), Err(Malformed));
}

#[test]
fn what_cannot_be_said_in_http2_is_left_out() {
    let mut head = Head::default();
    for (name, value) in [
        ("host", "a"),
        ("connection", "x"),
        ("transfer-encoding", "chunked"),
        ("a", "b\n"),
        ("bad name", "x"),
        ("kept", "1"),
    ] {
        head.push(name.as_bytes(), value.as_bytes());
    }
    let mut block = Vec::new();
    write::trailers(&head, &mut Encoder::default(), &mut block);
    let mut fields = Fields::new(Head::default(), 1000);
    Decoder::default().decode(&block, &mut fields).unwrap();
    let (back, trailers) = fields.trailers();
    assert!(trailers.is_ok());
    assert_eq!(back.iter().map(|(name, ..)| name).collect::<Vec<_>>(), [b"kept"]);
}
