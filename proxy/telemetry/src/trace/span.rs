//! A finished span. Knows no wire format.

use std::borrow::Cow;

use super::context::{SpanId, TraceId};

/// One piece of work within a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace.
    pub trace: TraceId,
    /// Its own id.
    pub id: SpanId,
    /// Who caused it.
    pub parent: Option<Parent>,
    /// `tracestate` as it came; empty if none.
    pub state: String,
    /// What is done.
    pub name: String,
    /// On which side of a call.
    pub kind: Kind,
    /// Microseconds since the Unix epoch.
    pub start: u64,
    /// Microseconds since the Unix epoch.
    pub end: u64,
    /// What is known of it.
    pub attributes: Vec<Attribute>,
    /// Moments in it: microseconds since the Unix epoch, and what happened.
    pub events: Vec<(u64, &'static str)>,
    /// Whether it failed.
    pub failed: bool,
}

/// A fact: its name and what it says.
pub type Attribute = (Cow<'static, str>, String);

/// Who caused a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub id: SpanId,
    /// Whether it is another program's.
    pub remote: bool,
}

/// Which side of a call a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who is called.
    Server,
    /// Who calls.
    Client,
}
