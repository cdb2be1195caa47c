//! How answers of the proxy's own are changed before they leave: Envoy's `local_reply_config`. Knows nothing of protobuf.

use std::sync::Arc;

use forebay_format::{Flag, Format};
use forebay_route::{HeaderAdd, HeaderMatch};

/// What becomes of an answer of the proxy's own.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalReplies {
    /// The first whose condition is met changes the answer.
    pub mappers: Vec<Mapper>,
    /// How bodies are written where no mapper says otherwise.
    pub format: Option<BodyFormat>,
}

/// What is changed in which answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapper {
    /// Which answers.
    pub condition: ReplyCondition,
    /// The status the client gets instead.
    pub status: Option<u16>,
    /// The body before it is formatted.
    pub body: Option<Arc<str>>,
    /// Added to the answer's headers.
    pub headers: Vec<HeaderAdd>,
    /// How the body is written.
    pub format: Option<BodyFormat>,
}

/// How a body is written.
#[derive(Debug, Clone, PartialEq)]
pub struct BodyFormat {
    /// `%LOCAL_REPLY_BODY%` is the body itself.
    pub format: Arc<Format>,
    /// What it is then.
    pub content_type: Arc<str>,
}

/// A condition on an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyCondition {
    /// All are met.
    All(Vec<ReplyCondition>),
    /// One is met.
    Any(Vec<ReplyCondition>),
    /// Its status is in this range, both ends included.
    Status(u16, u16),
    /// Its status is not this one.
    NotStatus(u16),
    /// It has one of these flags; with none named, any.
    Flags(Vec<Flag>),
    /// Its request has this header.
    Header(HeaderMatch),
}
