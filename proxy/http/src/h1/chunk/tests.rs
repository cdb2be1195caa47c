use proptest::prelude::*;

use super::*;

/// Body, trailers and what is left behind them.
type Decoded = (Vec<u8>, Vec<u8>, usize);

/// Feeds `input` in pieces of `step` bytes, as a socket would; the data, the trailers and what is left behind the body.
fn decode(input: &[u8], step: usize) -> Result<Option<Decoded>, BadChunk> {
    let mut chunks = Chunks::default();
    let (mut data, mut have, mut fed) = (Vec::new(), Vec::new(), 0);
    loop {
        let s = chunks.step(&have)?;
        have.drain(..s.skip);
        match s.then {
            Then::Data(n) => {
                data.extend(have.drain(..n));
                chunks.took(n);
            }
            Then::End => return Ok(Some((data, chunks.trailers, have.len() + input.len() - fed))),
            Then::More if fed == input.len() => return Ok(None),
            Then::More => {
                let n = step.min(input.len() - fed);
                have.extend_from_slice(&input[fed..fed + n]);
                fed += n;
            }
        }
    }
}

#[test]
fn good_bodies_in_any_slicing() {
    let body = b"5\r\nhello\r\n1;ext=\"v\"\r\n \r\n00A\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nNEXT";
    for step in 1..body.len() {
        let (data, trailers, left) = decode(body, step).unwrap().unwrap();
        assert_eq!(data, b"hello 0123456789");
        assert_eq!(trailers, b"x-sum: 1\r\n\r\n");
        assert_eq!(left, 4);
    }
}

#[test]
fn each_broken_rule_is_named() {
    for (body, why) in [
        (&b"5\nhello\r\n"[..], BadChunk::LineEnd),
        (b"5\r\nhello0\r\n", BadChunk::LineEnd),
        (b"5\r\nhello\n0\r\n\r\n", BadChunk::LineEnd),
        (b"g\r\n", BadChunk::Size),
        (b"\r\n", BadChunk::Size),
        (b"-1\r\n", BadChunk::Size),
        (b"0x5\r\n", BadChunk::Size),
        (b"5 6\r\n", BadChunk::Size),
        (b"ffffffffffffffff\r\n", BadChunk::Size),
        (b"1\r;a\r\nx", BadChunk::LineEnd),
        (b"0\r\nx: y\n\r\n", BadChunk::LineEnd),
        (b"0\r\nx: \ry\r\n\r\n", BadChunk::Trailers),
    ] {
        assert_eq!(decode(body, 3), Err(why), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(decode(&[b'1'; 300], 300), Err(BadChunk::LongLine));
    let long = [b"0\r\n".to_vec(), b"a: b\r\n".repeat(4000)].concat();
    assert_eq!(decode(&long, 1000), Err(BadChunk::Trailers));
}

#[test]
fn an_unfinished_body_waits() {
    for body in [&b""[..], b"5", b"5\r", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r", b"0\r\n", b"0\r\n\r"] {
        assert_eq!(decode(body, 1), Ok(None));
    }
}

proptest! {
    #[test]
    fn what_was_chunked_comes_back(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8), step in 1usize..50) {
        let mut body = Vec::new();
        for part in &parts {
            super::super::write::write_chunk(part, &mut body);
        }
        super::super::write::write_last_chunk(None, &mut body);
        let (data, trailers, left) = decode(&body, step).unwrap().unwrap();
        prop_assert_eq!(data, parts.concat());
        prop_assert!(trailers.is_empty() && left == 0);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        super::super::fuzz(&bytes);
    }
}
