//! What the tests of the whole program share: a forebay that is started and ended, manifests, raw clients, load,
//! processes. Knows nothing of any one behaviour.
#![allow(dead_code, unreachable_pub, reason = "each test target uses its own part of this")]

pub mod forebay;
pub mod h1;
pub mod load;
pub mod manifest;
pub mod process;
pub mod sample;

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// The program under test.
pub const FOREBAY: &str = env!("CARGO_BIN_EXE_forebay");

/// No single step of a test takes longer on the slowest machine; a step that does has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is yes; says what it was waiting for when it never is.
pub async fn until(what: impl Debug, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The same with patience for what has to sit out a scaling window.
pub async fn until_within(patience: Duration, what: impl Debug, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < patience, "waited {patience:?} for {what:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Panics when the future takes longer than any step may.
pub async fn soon<T>(what: impl Debug, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what:?}"),
    }
}
