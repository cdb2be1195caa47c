//! The rules of the protocol, one by one, as messages.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at what it did not expect")]

#[path = "model/catalog.rs"]
mod catalog;

#[path = "rules/client.rs"]
mod client;
#[path = "rules/server.rs"]
mod server;
