//! Where requests are written down, and in which shape. Knows nothing of protobuf, nor of how a line is built.

use std::sync::Arc;

/// One access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// The file it is appended to; `/dev/stdout` and `/dev/stderr` are files, too.
    pub path: Arc<str>,
    /// Envoy's format string; `None` is Envoy's default text format.
    pub format: Option<Arc<str>>,
}
