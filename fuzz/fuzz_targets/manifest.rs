//! The manifest parser against whatever libFuzzer thinks of.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| forebay_knative::manifest::fuzz(data));
