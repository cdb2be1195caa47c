//! The access log: Envoy's format language compiled once, lines rendered without allocation, files written by threads of
//! their own. Knows a request only through [`Record`].

mod files;
mod flags;
mod format;
mod json;
mod operators;
mod record;
mod render;
mod sink;
mod strftime;
mod values;

pub use files::Files;
pub use flags::{Flag, Flags};
pub use format::{DEFAULT, Format, Invalid};
pub use record::{Address, Bytes, Point, Record, Text};
pub use render::Formatter;
pub use sink::{LogFile, LogWriter, OpenError, Pending};
