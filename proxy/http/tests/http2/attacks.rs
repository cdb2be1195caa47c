//! What costs the attacker little and would cost us much: each ends the connection, or is bounded.

use super::raw::*;
use super::serve::{Seen, run, server};

const ENHANCE_YOUR_CALM: u32 = 11;

/// Sends `bytes` again and again until the connection is given up; the code, how often they were sent, what was seen.
fn flooded(most: usize, bytes: impl Fn(u32) -> Vec<u8>) -> (u32, usize, Seen) {
    let mut result = None;
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (seen, mut ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        let mut sent = 0;
        while sent < most && ended.try_recv().is_err() {
            raw.send(&bytes(sent as u32)).await;
            sent += 1;
            tokio::task::yield_now().await;
        }
        let code = raw.given_up().await;
        result = Some((code, sent, seen.take()));
    });
    result.unwrap()
}

#[test]
fn rapid_reset_of_streams_nobody_has_taken_up() {
    let pair = |i: u32| {
        let id = i * 2 + 1;
        [frame(HEADERS, WHOLE, id, &get("/hold")), frame(RST_STREAM, 0, id, &8u32.to_be_bytes())].concat()
    };
    let (code, _, seen) = flooded(1, |_| (0..100).flat_map(pair).collect());
    assert_eq!(code, ENHANCE_YOUR_CALM);
    assert!(seen.taken <= 21, "{} were served", seen.taken);
}

#[test]
fn rapid_reset_at_leisure() {
    let pair = |i: u32| {
        let id = i * 2 + 1;
        [frame(HEADERS, WHOLE, id, &get("/hold")), frame(RST_STREAM, 0, id, &8u32.to_be_bytes())].concat()
    };
    let (code, sent, seen) = flooded(2_000, pair);
    assert_eq!(code, ENHANCE_YOUR_CALM);
    assert!(sent < 1_000 && seen.taken <= 501, "after {sent} pairs, {} of them served", seen.taken);
}

#[test]
fn blocks_that_never_end() {
    let (code, sent, _) = flooded(10_000, |i| match i {
        0 => frame(HEADERS, 0, 1, &get("/")),
        _ => frame(CONTINUATION, 0, 1, &[&[0, 1, b'a', 127, 0][..], &[b'x'; 1000]].concat()),
    });
    assert!(code == ENHANCE_YOUR_CALM && sent < 60, "{code} after {sent}");
    let (code, sent, _) = flooded(10_000, |i| match i {
        0 => frame(HEADERS, 0, 1, &get("/")),
        _ => frame(CONTINUATION, 0, 1, &[]),
    });
    assert!(code == ENHANCE_YOUR_CALM && sent < 40, "{code} after {sent} empty ones");
}

#[test]
fn floods_of_frames_that_move_no_message() {
    let ping = frame(PING, 0, 0, &[0; 8]);
    let settings = frame(SETTINGS, 0, 0, &[]);
    let acks = frame(SETTINGS, 1, 0, &[]);
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 0]);
    let unknown = frame(99, 0, 0, b"x");
    let update = frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes());
    for (what, flood) in [
        ("PING", ping),
        ("SETTINGS", settings),
        ("ACKs", acks),
        ("PRIORITY", priority),
        ("unknown", unknown),
        ("WINDOW_UPDATE", update),
    ] {
        let (code, _, _) = flooded(100, |_| flood.repeat(100));
        assert_eq!(code, ENHANCE_YOUR_CALM, "{what}");
    }
    let (code, _, _) = flooded(100, |i| match i {
        0 => frame(HEADERS, END_HEADERS, 1, &post("/hold")),
        _ => frame(DATA, 0, 1, &[]).repeat(100),
    });
    assert_eq!(code, ENHANCE_YOUR_CALM, "empty DATA");
}

#[test]
fn streams_that_have_to_be_reset_are_counted() {
    let (code, sent, seen) = flooded(2_000, |i| frame(HEADERS, WHOLE, i * 2 + 1, &[0x82]));
    assert!(code == ENHANCE_YOUR_CALM && seen.taken == 0, "{code} after {sent}");
}

#[test]
fn a_list_too_large_is_answered_431_and_costs_no_memory() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (seen, _ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        // 4,000 bytes put into the table once, and named a thousand times.
        let entry = [&[0x40, 1, b'x', 127, 0xa1, 30][..], &[b'a'; 4_000]].concat();
        let bomb = [get("/hold"), entry, vec![0xbe; 1_000]].concat();
        raw.frame(HEADERS, WHOLE, 1, &bomb).await;
        let answer = raw.until(HEADERS).await;
        assert_eq!((answer.stream, answer.flags), (1, WHOLE));
        // :status by its number, 431 as a literal.
        assert!(answer.payload.starts_with(&[0x48]), "{:x?}", answer.payload);
        raw.frame(HEADERS, WHOLE, 3, &get("/1")).await;
        assert_eq!(raw.until(DATA).await.stream, 3);
        assert_eq!(seen.borrow().taken, 1);
    });
}

#[test]
fn a_window_that_never_opens_holds_a_stream_s_share() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (_, _ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        raw.frame(SETTINGS, 0, 0, &setting(4, 0)).await;
        raw.frame(HEADERS, WHOLE, 1, &get("/100000")).await;
        assert_eq!(raw.until(HEADERS).await.stream, 1);
        raw.lives().await;
        // Byte by byte, as slowly as it likes: each gives one byte and no more.
        for _ in 0..3 {
            raw.frame(WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes()).await;
            assert_eq!(raw.until(DATA).await.payload.len(), 1);
        }
        // A window that the peer shrinks goes below zero, and takes as much to open again.
        raw.frame(WINDOW_UPDATE, 0, 1, &10u32.to_be_bytes()).await;
        assert_eq!(raw.until(DATA).await.payload.len(), 10);
        raw.frame(SETTINGS, 0, 0, &setting(4, 5)).await;
        assert_eq!(raw.until(DATA).await.payload.len(), 5);
        raw.frame(SETTINGS, 0, 0, &setting(4, 0)).await;
        raw.frame(WINDOW_UPDATE, 0, 1, &6u32.to_be_bytes()).await;
        assert_eq!(raw.until(DATA).await.payload.len(), 1, "five were owed");
    });
}

#[test]
fn answers_that_nobody_reads_are_not_kept_without_end() {
    run(async {
        // A pipe that holds less than the answers to what is sent.
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let (_, ended) = server(ours);
        let mut raw = Raw::client(theirs).await;
        let pings = frame(PING, 0, 0, &[0; 8]).repeat(100);
        let flood = async {
            loop {
                raw.send(&pings).await;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            how = ended => assert_eq!(how.unwrap().unwrap_err().reason().map(|r| r.0), Some(ENHANCE_YOUR_CALM)),
            () = flood => unreachable!(),
        }
    });
}
