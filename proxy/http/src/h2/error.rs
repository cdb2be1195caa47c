//! How streams and connections end before their time. Knows no frames.

use std::fmt;
use std::io;

/// RFC 9113 7.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u32);

#[allow(missing_docs)]
impl Reason {
    pub const NO_ERROR: Self = Self(0);
    pub const PROTOCOL_ERROR: Self = Self(1);
    pub const INTERNAL_ERROR: Self = Self(2);
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    pub const SETTINGS_TIMEOUT: Self = Self(4);
    pub const STREAM_CLOSED: Self = Self(5);
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    pub const REFUSED_STREAM: Self = Self(7);
    pub const CANCEL: Self = Self(8);
    pub const COMPRESSION_ERROR: Self = Self(9);
    pub const CONNECT_ERROR: Self = Self(10);
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    pub const INADEQUATE_SECURITY: Self = Self(12);
    pub const HTTP_1_1_REQUIRED: Self = Self(13);
}

const NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The peer said so.
    Remote,
    /// The peer broke a rule, and the codec said so.
    Library,
    /// Whoever holds the stream said so.
    User,
}

/// Why a stream or a connection ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The stream was reset.
    Reset(Reason, By),
    /// The connection was said goodbye on.
    GoAway(Reason, By),
    /// The connection broke or ended.
    Io(io::ErrorKind),
}

impl Error {
    /// The code on the wire, if there was one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Error::Reset(reason, _) | Error::GoAway(reason, _) => Some(*reason),
            Error::Io(_) => None,
        }
    }

    /// Who ended it; nobody, where the connection broke.
    pub fn by(&self) -> Option<By> {
        match self {
            Error::Reset(_, by) | Error::GoAway(_, by) => Some(*by),
            Error::Io(_) => None,
        }
    }

    /// Whether one stream was meant.
    pub fn is_reset(&self) -> bool {
        matches!(self, Error::Reset(..))
    }

    /// Whether the connection was meant, by a frame.
    pub fn is_go_away(&self) -> bool {
        matches!(self, Error::GoAway(..))
    }

    /// Whether the connection broke or ended.
    pub fn is_io(&self) -> bool {
        matches!(self, Error::Io(_))
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Error::Reset(reason, By::User)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error.kind())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(kind) => kind.into(),
            error => io::Error::other(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, reason, by) = match self {
            Error::Io(kind) => return write!(f, "the connection ended: {kind}"),
            Error::Reset(reason, by) => ("the stream was reset", reason, by),
            Error::GoAway(reason, by) => ("the connection was ended", reason, by),
        };
        let by = match by {
            By::Remote => "by the peer",
            By::Library => "for what the peer sent",
            By::User => "by us",
        };
        write!(f, "{what} {by}: {reason}")
    }
}

impl std::error::Error for Error {}
