//! Whether a finished exchange is written to an access log that wants only some. Knows no files.

use forebay_model::LogFilter;
use forebay_telemetry::log::{Flags, Record};

use super::record::Line;
use super::state::View;
use crate::worker::Worker;

/// Whether the filter lets the exchange through.
pub(super) fn holds(filter: &LogFilter, worker: &Worker, line: &Line<'_>) -> bool {
    let x = line.exchange();
    match filter {
        LogFilter::Status(how, given) => how.holds(x.status.into(), *given),
        LogFilter::Duration(how, given) => how.holds(line.took() / 1000, *given),
        LogFilter::NotHealthCheck => !is_health_check(line),
        LogFilter::Traceable => x.trace.as_ref().is_some_and(|trace| trace.is_sampled()),
        LogFilter::Share(some, of) => worker.rng.below(*of) < *some,
        LogFilter::And(all) => all.iter().all(|filter| holds(filter, worker, line)),
        LogFilter::Or(any) => any.iter().any(|filter| holds(filter, worker, line)),
        LogFilter::Header(header) => header.matches(&View(&x.req)),
        LogFilter::Flags(wanted) if *wanted == Flags::NONE => !x.flags.is_empty(),
        LogFilter::Flags(wanted) => wanted.iter().any(|flag| x.flags.has(flag)),
        LogFilter::GrpcStatus { statuses, exclude } => statuses.contains(&grpc_status(line)) != *exclude,
    }
}

/// Whether the health check filter answered, or Envoy's own checker asks.
fn is_health_check(line: &Line<'_>) -> bool {
    line.exchange().details.starts_with("health_check")
        || line.request_header("user-agent").is_some_and(|agent| agent.starts_with(b"Envoy/HC"))
}

/// gRPC's verdict as Envoy's filter sees it: a trailer, a header, or what the status comes to.
fn grpc_status(line: &Line<'_>) -> u16 {
    let said = line.response_trailer("grpc-status").or_else(|| line.response_header("grpc-status"));
    let number = said.and_then(|text| str::from_utf8(text).ok()?.parse().ok());
    // Of gRPC's "HTTP to gRPC status code mapping", what is not listed there is unknown.
    number.unwrap_or(match line.status() {
        200 => 0,
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    })
}
