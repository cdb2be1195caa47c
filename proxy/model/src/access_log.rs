//! Where requests are written down, which of them, and in which shape. Knows nothing of protobuf, nor of how a line is built.

use std::sync::Arc;

use forebay_format::{Flags, Format};
use forebay_route::HeaderMatch;

/// One access log.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogConfig {
    /// The file it is appended to; `/dev/stdout` and `/dev/stderr` are files, too.
    pub path: Arc<str>,
    /// What a line looks like, compiled.
    pub format: Arc<Format>,
    /// Which requests are written; `None`: all.
    pub filter: Option<LogFilter>,
}

/// A condition on a finished request.
#[derive(Debug, Clone, PartialEq)]
pub enum LogFilter {
    /// On the status that was answered; 0 when none was.
    Status(Compare, u32),
    /// On how long it took, in milliseconds.
    Duration(Compare, u32),
    /// It is none of a health checker's.
    NotHealthCheck,
    /// It is traced.
    Traceable,
    /// A share of all: so many of so many.
    Share(u32, u32),
    /// All of these hold.
    And(Vec<LogFilter>),
    /// One of these holds.
    Or(Vec<LogFilter>),
    /// On a header of the request.
    Header(HeaderMatch),
    /// One of these flags is set; none named: any.
    Flags(Flags),
    /// gRPC's verdict is one of these (or, turned round, none of them).
    GrpcStatus {
        /// Numbers of gRPC's codes.
        statuses: Vec<u16>,
        /// Turned round.
        exclude: bool,
    },
}

impl LogFilter {
    /// Whether the verdict depends on the response's trailers.
    pub fn asks_for_trailers(&self) -> bool {
        match self {
            LogFilter::GrpcStatus { .. } => true,
            LogFilter::And(inner) | LogFilter::Or(inner) => inner.iter().any(LogFilter::asks_for_trailers),
            _ => false,
        }
    }
}

/// How a number is compared with one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Equal.
    Equal,
    /// Greater or equal.
    AtLeast,
    /// Less or equal.
    AtMost,
    /// Not equal.
    Other,
}

impl Compare {
    /// Whether `number` is so, compared with `given`.
    pub fn holds(self, number: u64, given: u32) -> bool {
        let given = u64::from(given);
        match self {
            Compare::Equal => number == given,
            Compare::AtLeast => number >= given,
            Compare::AtMost => number <= given,
            Compare::Other => number != given,
        }
    }
}
