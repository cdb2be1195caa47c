//! How HTTP/1.1 bodies are delimited, and the two halves that follow it. Knows no sockets.

use std::io;

use thiserror::Error;

use super::chunk::{BadChunk, Chunks};

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is none.
    #[default]
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
    /// Until the connection closes (responses only).
    Close,
    /// There is none because the request was HEAD (responses being written only).
    Unsent,
}

/// Why a body ended before its end.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum BodyError {
    #[error("the connection closed in the middle of the body")]
    Truncated,
    #[error("{0}")]
    Chunk(#[from] BadChunk),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    H2(#[from] crate::h2::Error),
    #[error("HTTP/2 trailers or data do not fit the declared body")]
    Mismatch,
}

/// The reading half.
#[derive(Debug, Default)]
pub(crate) enum Incoming {
    #[default]
    Done,
    Length(u64),
    Chunked(Box<Chunks>),
    Close,
}

impl From<Framing> for Incoming {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Unsent | Framing::Length(0) => Incoming::Done,
            Framing::Length(n) => Incoming::Length(n),
            Framing::Chunked => Incoming::Chunked(Box::default()),
            Framing::Close => Incoming::Close,
        }
    }
}

/// The writing half.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// No body, or its end has been written.
    #[default]
    Done,
    Length(u64),
    Chunked,
    Close,
}

impl From<Framing> for Outgoing {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None | Framing::Unsent | Framing::Length(0) => Outgoing::Done,
            Framing::Length(n) => Outgoing::Length(n),
            Framing::Chunked => Outgoing::Chunked,
            Framing::Close => Outgoing::Close,
        }
    }
}
