//! Distributed tracing, the pure half: W3C trace context, the decision to sample, spans. Knows no HTTP, no sockets and no
//! wire format.

mod context;
mod sampling;
mod span;

pub use context::{Context, SpanId, TraceId};
pub use sampling::{Reason, Sampling, decide, mark};
pub use span::{Attribute, Kind, Parent, Span};
