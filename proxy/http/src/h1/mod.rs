//! HTTP/1.1: parsing and writing heads, framing bodies, and the leg that does so on a socket. Knows no HTTP/2 and no routing.

mod body;
mod chunk;
mod leg;
mod parse;
mod write;

pub use body::{BodyError, Framing};
pub use leg::{Gone, HeadError, Leg};
pub(crate) use parse::valid_authority as parse_authority_ok;
pub use parse::{Limits, Reject, RequestMeta, ResponseMeta, parse_request, parse_response};
pub use write::{Persist, write_request, write_response};

/// The body of the `h1` fuzz target: whatever comes in, the codec answers without a panic, and what it accepted parses again
/// to the same head after being written.
pub fn fuzz(data: &[u8]) {
    let mut head = crate::Head::default();
    if let Ok(Some((_, meta))) = parse_request(data, &mut head, &Limits::default()) {
        let mut out = Vec::new();
        head.strip_hop_by_hop();
        head.remove(b"content-length");
        write_request(&head, meta.framing, false, &mut out);
        let mut again = crate::Head::default();
        let back = parse_request(&out, &mut again, &Limits { head_bytes: 1 << 20, ..Limits::default() });
        assert!(matches!(back, Ok(Some((n, m))) if n == out.len() && m.framing == meta.framing), "{back:?}");
        assert_eq!((head.method(), head.path()), (again.method(), again.path()));
    }
    let _ = parse_response(data, &mut head, &Limits::default(), false);
    let mut decoder = chunk::Chunks::default();
    let mut rest = data;
    while let Ok(step) = decoder.step(rest) {
        rest = rest.get(step.skip..).unwrap_or_default();
        match step.then {
            chunk::Then::Data(n) => {
                decoder.took(n);
                rest = rest.get(n..).unwrap_or_default();
            }
            chunk::Then::More | chunk::Then::End => break,
        }
    }
}

#[cfg(test)]
mod tests {
    /// The body of the fuzz target over its corpus, and over every beginning of each of its files.
    #[test]
    fn the_fuzz_corpus_is_survived() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/h1");
        let mut files = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for end in 0..=bytes.len() {
                super::fuzz(&bytes[..end]);
            }
            files += 1;
        }
        assert!(files > 30, "{files} files in {corpus}");
    }
}
