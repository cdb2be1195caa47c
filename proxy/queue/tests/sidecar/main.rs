//! A queue-proxy in this process, on ports of the kernel's choice, between raw clients and a scripted app.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod breaker;
mod drain;
mod http2;
mod leaks;
mod otel;
mod support;
mod timeouts;
