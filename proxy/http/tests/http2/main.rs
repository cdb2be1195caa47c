//! The HTTP/2 codec on a wire: against the `h2` crate as the other side, against frames made by hand, and under attack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]
#![allow(unreachable_pub, reason = "what tests share is public within the test")]

mod attacks;
mod limits;
mod peers;
mod raw;
mod rules;
mod serve;
