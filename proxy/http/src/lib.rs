//! HTTP/1.1 and HTTP/2 legs behind one narrow interface: one [`Head`] for both, strict framing, bodies relayed piece by piece.
//! Knows nothing of clusters, routes or local replies.
//!
//! A *leg* is one side of an exchange: [`h1::Leg`] or [`h2::ServerStream`] towards the client, [`Up`] towards the endpoint. Each
//! is a [`Source`] of one body and a [`Sink`] for the other; the two never see each other's protocol. Whoever owns both legs
//! polls them from one task: a [`Flow`] moves one direction of bodies, and needs no channel and no second task.
//!
//! Attack classes that end here, each with its test in `h1/parse/tests.rs` or `h1/chunk/tests.rs`: CL.TE and TE.CL desync
//! (both headers refused), repeated or signed or listed Content-Length, any Transfer-Encoding but one final `chunked`, bare CR
//! or LF, obs-fold, blanks before the colon, chunk sizes that overflow, chunk lines that never end, NUL in values, missing or
//! repeated Host.

pub mod buf;
mod client;
pub mod h1;
pub mod h2;
pub mod head;
mod known;
mod leg;
pub mod path;

pub use buf::{Buf, Pool};
pub use client::{Client, Left};
pub use head::{Head, Scheme, Version, tokens};
pub use known::Known;
pub use leg::{Flow, Piece, Sink, Source, Up, WireBytes, Wrong};
