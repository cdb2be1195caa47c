//! RFC 9113's rules of frames and streams, each broken by hand: a stream's fault resets the stream and leaves the connection
//! alone, the connection's ends it.

use super::raw::*;
use super::serve::{run, server};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;

/// The code that a connection is given up with after these bytes.
fn given_up(bytes: &[u8]) -> u32 {
    let mut code = 0;
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (_, ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.send(bytes).await;
        code = raw.given_up().await;
        let error = ended.await.unwrap().unwrap_err();
        assert_eq!(error.reason().map(|reason| reason.0), Some(code), "{error}");
    });
    code
}

/// The code that stream 1 is reset with after these bytes; the connection goes on.
fn reset(bytes: &[u8]) -> u32 {
    let mut code = 0;
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let _server = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.send(bytes).await;
        code = raw.reset(1).await;
        raw.frame(HEADERS, WHOLE, 101, &get("/3")).await;
        while raw.until(DATA).await.stream != 101 {}
    });
    code
}

fn number(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn held() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &post("/hold"))
}

#[test]
fn connections_end_for_what_cannot_go_on() {
    let cases: [(&str, Vec<u8>, u32); 24] = [
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
        ("HEADERS on stream 0", frame(HEADERS, WHOLE, 0, &get("/")), PROTOCOL_ERROR),
        ("HEADERS on an even stream", frame(HEADERS, WHOLE, 2, &get("/")), PROTOCOL_ERROR),
        ("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &number(8)), PROTOCOL_ERROR),
        ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, &number(8)), PROTOCOL_ERROR),
        ("a short RST_STREAM", [held(), frame(RST_STREAM, 0, 1, &[0; 3])].concat(), FRAME_SIZE_ERROR),
        ("WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, &number(1)), PROTOCOL_ERROR),
        ("WINDOW_UPDATE by nothing", frame(WINDOW_UPDATE, 0, 0, &number(0)), PROTOCOL_ERROR),
        ("a window beyond 2^31-1", frame(WINDOW_UPDATE, 0, 0, &number(i32::MAX as u32)), FLOW_CONTROL_ERROR),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), PROTOCOL_ERROR),
        ("SETTINGS of odd length", frame(SETTINGS, 0, 0, &[0; 5]), FRAME_SIZE_ERROR),
        ("an ACK that says something", frame(SETTINGS, 1, 0, &[0; 6]), FRAME_SIZE_ERROR),
        ("a push setting of 2", frame(SETTINGS, 0, 0, &setting(2, 2)), PROTOCOL_ERROR),
        ("an initial window beyond 2^31-1", frame(SETTINGS, 0, 0, &setting(4, 1 << 31)), FLOW_CONTROL_ERROR),
        ("frames of at most 100 bytes", frame(SETTINGS, 0, 0, &setting(5, 100)), PROTOCOL_ERROR),
        ("a short PING", frame(PING, 0, 0, &[0; 7]), FRAME_SIZE_ERROR),
        ("PING on a stream", frame(PING, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), PROTOCOL_ERROR),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, 4, 1, &[0; 8]), PROTOCOL_ERROR),
        ("CONTINUATION of nothing", frame(CONTINUATION, 4, 1, &get("/")), PROTOCOL_ERROR),
        (
            "another frame within a block",
            [frame(HEADERS, 1, 1, &get("/")), frame(PING, 0, 0, &[0; 8])].concat(),
            PROTOCOL_ERROR,
        ),
        ("a frame of 16,385 bytes", frame(DATA, 0, 1, &[0; 16_385]), FRAME_SIZE_ERROR),
        (
            "a block that is no HPACK",
            frame(HEADERS, WHOLE, 1, &[0xff, 0xff, 0xff, 0xff, 0x7f]),
            COMPRESSION_ERROR,
        ),
    ];
    for (what, bytes, code) in cases {
        assert_eq!(given_up(&bytes), code, "{what}");
    }
}

#[test]
fn identifiers_only_grow() {
    let lower = [frame(HEADERS, WHOLE, 5, &get("/")), frame(HEADERS, WHOLE, 3, &get("/"))].concat();
    assert_eq!(given_up(&lower), PROTOCOL_ERROR);
}

#[test]
fn padding_longer_than_the_frame_ends_the_connection() {
    assert_eq!(given_up(&[held(), frame(DATA, 8, 1, &[9, 1, 2])].concat()), PROTOCOL_ERROR);
    assert_eq!(given_up(&frame(HEADERS, WHOLE | 8, 1, &[200, 0x82])), PROTOCOL_ERROR);
}

#[test]
fn streams_are_reset_for_what_is_wrong_with_them() {
    let ended = frame(HEADERS, WHOLE, 1, &get("/hold"));
    let priority = |on: u32| [&number(on)[..], &[16]].concat();
    let cases: [(&str, Vec<u8>, u32); 11] = [
        ("DATA after the end", [ended.clone(), frame(DATA, 0, 1, b"x")].concat(), STREAM_CLOSED),
        ("HEADERS after the end", [ended, frame(HEADERS, WHOLE, 1, &get("/"))].concat(), STREAM_CLOSED),
        ("trailers without an end", [held(), frame(HEADERS, END_HEADERS, 1, &[])].concat(), PROTOCOL_ERROR),
        ("trailers with a path", [held(), frame(HEADERS, WHOLE, 1, &[0x84])].concat(), PROTOCOL_ERROR),
        ("no pseudo fields", frame(HEADERS, WHOLE, 1, &[]), PROTOCOL_ERROR),
        (
            "a priority that depends on itself",
            frame(HEADERS, WHOLE | 0x20, 1, &[priority(1), get("/")].concat()),
            PROTOCOL_ERROR,
        ),
        ("the same said later", [held(), frame(PRIORITY, 0, 1, &priority(1))].concat(), PROTOCOL_ERROR),
        ("a short PRIORITY", [held(), frame(PRIORITY, 0, 1, &[0; 4])].concat(), FRAME_SIZE_ERROR),
        (
            "WINDOW_UPDATE by nothing",
            [held(), frame(WINDOW_UPDATE, 0, 1, &number(0))].concat(),
            PROTOCOL_ERROR,
        ),
        (
            "a window beyond 2^31-1",
            [held(), frame(WINDOW_UPDATE, 0, 1, &number(i32::MAX as u32))].concat(),
            FLOW_CONTROL_ERROR,
        ),
        (
            "more DATA than the window",
            [held(), frame(DATA, 0, 1, &[0; 16_384]).repeat(5)].concat(),
            FLOW_CONTROL_ERROR,
        ),
    ];
    for (what, bytes, code) in cases {
        assert_eq!(reset(&bytes), code, "{what}");
    }
}

#[test]
fn content_length_is_what_the_data_has_to_be() {
    // A literal content-length by its number in the static table.
    let of = |length: &[u8]| [&post("/hold")[..], &[0x0f, 13, length.len() as u8], length].concat();
    let long = [frame(HEADERS, END_HEADERS, 1, &of(b"3")), frame(DATA, 0, 1, b"1234")].concat();
    let short = [frame(HEADERS, END_HEADERS, 1, &of(b"3")), frame(DATA, END_STREAM, 1, b"12")].concat();
    let none = frame(HEADERS, WHOLE, 1, &of(b"3"));
    let trailers = [frame(HEADERS, END_HEADERS, 1, &of(b"3")), frame(HEADERS, WHOLE, 1, &[])].concat();
    for bytes in [long, short, none, trailers] {
        assert_eq!(reset(&bytes), PROTOCOL_ERROR);
    }
}

#[test]
fn a_block_may_come_in_pieces_and_with_padding_and_priority() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let _server = server(ours);
        let mut raw = Raw::client(theirs).await;
        let block = get("/7");
        let padded = [&[3, 0, 0, 0, 9, 16][..], &block[..2], &[0; 3]].concat();
        raw.frame(HEADERS, END_STREAM | 8 | 0x20, 1, &padded).await;
        raw.frame(CONTINUATION, 0, 1, &block[2..5]).await;
        raw.frame(CONTINUATION, 0, 1, &[]).await;
        raw.frame(CONTINUATION, END_HEADERS, 1, &block[5..]).await;
        let data = raw.until(DATA).await;
        assert_eq!((data.stream, data.flags & END_STREAM, &*data.payload), (1, 1, &b"xxxxxxx"[..]));
    });
}

#[test]
fn what_nobody_knows_is_passed_over() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let _server = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.frame(77, 0xff, 9, b"whatever").await;
        raw.frame(SETTINGS, 0, 0, &setting(99, 7)).await;
        raw.frame(PRIORITY, 0, 9, &[0, 0, 0, 1, 0]).await;
        raw.lives().await;
    });
}

#[test]
fn padded_data_is_read_without_its_padding_and_opens_the_window_again() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (seen, _ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.frame(HEADERS, END_HEADERS, 1, &post("/echo")).await;
        let padded = [&[200][..], b"hello", &[0; 200]].concat();
        let (mut body, mut opened) = (0, 0);
        for i in 0..1000 {
            raw.frame(DATA, if i == 999 { 8 | END_STREAM } else { 8 }, 1, &padded).await;
            while body < (i + 1) * 5 {
                let next = raw.next().await.unwrap();
                match next.kind {
                    DATA => body += next.payload.len(),
                    WINDOW_UPDATE => opened += 1,
                    GOAWAY | RST_STREAM => panic!("{next:?}"),
                    _ => {}
                }
            }
        }
        assert_eq!(seen.borrow().read, 5000);
        assert!(
            opened >= 6,
            "206,000 bytes passed through a window of 65,536 that was opened {opened} times"
        );
    });
}

#[test]
fn late_frames_of_a_stream_that_we_reset_are_passed_over() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let _server = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.frame(HEADERS, END_HEADERS, 1, &post("/early")).await;
        assert_eq!(raw.reset(1).await, 0, "a whole answer makes the rest needless");
        raw.frame(DATA, 0, 1, b"late").await;
        raw.frame(WINDOW_UPDATE, 0, 1, &number(5)).await;
        raw.frame(HEADERS, WHOLE, 1, &[0x40, 1, b'a', 1, b'b']).await;
        // Its trailer is in the table all the same.
        raw.frame(HEADERS, WHOLE, 3, &[get("/2"), vec![0xbe]].concat()).await;
        assert_eq!(raw.until(DATA).await.stream, 3);
    });
}

#[test]
fn nothing_comes_behind_a_reset_of_the_peer_s_own() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let _server = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.frame(HEADERS, END_HEADERS, 1, &post("/early")).await;
        assert_eq!(raw.reset(1).await, 0);
        raw.frame(RST_STREAM, 0, 1, &number(8)).await;
        raw.frame(HEADERS, WHOLE, 1, &get("/1")).await;
        assert_eq!(raw.given_up().await, STREAM_CLOSED);
    });
}

#[test]
fn frames_on_a_stream_that_both_have_ended_end_the_connection() {
    for late in [frame(DATA, 0, 1, b"x"), frame(HEADERS, WHOLE, 1, &get("/"))] {
        run(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let _server = server(ours);
            let mut raw = Raw::client(theirs).await;
            raw.frame(HEADERS, WHOLE, 1, &get("/1")).await;
            assert_eq!(raw.until(DATA).await.stream, 1);
            raw.send(&late).await;
            assert_eq!(raw.given_up().await, STREAM_CLOSED);
        });
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (seen, _ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        for i in 0..101 {
            raw.frame(HEADERS, END_HEADERS, i * 2 + 1, &post("/hold")).await;
        }
        assert_eq!(raw.reset(201).await, REFUSED_STREAM);
        assert_eq!(seen.borrow().taken, 100);
        raw.frame(RST_STREAM, 0, 1, &number(8)).await;
        raw.frame(HEADERS, WHOLE, 203, &get("/1")).await;
        assert_eq!(raw.until(DATA).await.stream, 203);
        assert_eq!(seen.borrow().gone, ["Reset"]);
    });
}

#[test]
fn the_preface_has_to_be_said() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (_, ended) = server(ours);
        let mut raw = Raw::silent(theirs);
        raw.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(raw.given_up().await, PROTOCOL_ERROR);
        assert!(ended.await.unwrap().is_err());
        // And the first frame is SETTINGS.
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let _server = server(ours);
        let mut raw = Raw::silent(theirs);
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        raw.frame(PING, 0, 0, &[0; 8]).await;
        assert_eq!(raw.given_up().await, PROTOCOL_ERROR);
    });
}
