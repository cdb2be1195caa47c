//! The HTTP/2 codec as a fuzz target; its body is `forebay_http::h2::fuzz`, which `cargo test` replays over the corpus.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| forebay_http::h2::fuzz(data));
