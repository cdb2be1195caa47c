//! The access log: lines rendered into a worker's buffer, files written by threads of their own. Knows a request only through
//! [`Record`], and of the format language only that it renders.

mod files;
mod sink;

pub use files::Files;
pub use forebay_format::{
    Address, Bytes, DEFAULT, Flag, Flags, Format, Formatter, Invalid, Peer, Point, Record, Text,
};
pub use sink::{LogFile, LogWriter, OpenError, Pending};
