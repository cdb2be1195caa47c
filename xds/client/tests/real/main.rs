//! Server and client of this repository over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at what it did not expect")]

mod common;
mod flow;
mod reconnect;
