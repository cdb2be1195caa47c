//! Envoy's format language: compiled once, rendered without allocation. Pure; knows a request only through [`Record`].
//!
//! Access logs are written in it, and so are header values, local replies and some path rewrites.

mod flags;
mod format;
mod json;
mod operators;
mod record;
mod render;
mod strftime;
mod unwritten;
mod values;

pub use flags::{Flag, Flags};
pub use format::{DEFAULT, Format, Invalid};
pub use record::{Address, Bytes, Peer, Point, Record, Text};
pub use render::Formatter;
pub use unwritten::unwritten;
