//! What an exchange's end adds to its connection manager's counters, by the reason that is logged. Knows no sockets.

use forebay_telemetry::log::Flags;
use forebay_telemetry::{Http, HttpStats};

/// Counts why an exchange did not go its way. One that did has no flag, and pays one branch.
pub(super) fn why(stats: &HttpStats, flags: Flags, details: &str) {
    if flags.is_empty() {
        return;
    }
    if details == "stream_idle_timeout" {
        stats.inc(Http::DownstreamRqIdleTimeout);
    }
}
