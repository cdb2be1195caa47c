//! Distributed tracing, the pure half: W3C trace context, the decision to sample, spans and their encoding. Knows no HTTP and no sockets.

mod context;
mod otlp;
mod sampling;
mod span;

pub use context::{Context, SpanId, TraceId};
pub use otlp::{EXPORT_PATH, Speaker, encode};
pub use sampling::{Reason, Sampling, decide, mark};
pub use span::{Attribute, Kind, Parent, Span};
