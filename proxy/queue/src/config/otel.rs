//! Where metrics and spans go over OTLP, and which requests are traced: `OBSERVABILITY_CONFIG`, and the `OTEL_*` variables that the
//! reference lets win over it (knative.dev/pkg: `observability/{metrics,tracing}/provider.go`). Sends nothing.

use std::time::Duration;

use super::observability::{Export, Tracing};
use super::words::Words;

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether by gRPC; else by HTTP/1.1.
    pub grpc: bool,
    /// Whether through TLS.
    pub tls: bool,
    /// A name or an address.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// What is asked for; gRPC has its own.
    pub path: String,
}

/// Metrics over OTLP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsExport {
    /// To whom.
    pub target: Target,
    /// How often.
    pub every: Duration,
}

/// Spans over OTLP.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesExport {
    /// To whom; none is to standard output, a line each.
    pub target: Option<Target>,
    /// Which traces are kept.
    pub sampler: Sampler,
    /// How long a span may wait for others.
    pub every: Duration,
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Whether whoever called has decided, if it has a trace.
    pub parent_based: bool,
    /// Of those that begin here: a share of 2^63; all is 2^63.
    pub share: u64,
}

/// All of them, in 2^63ths.
const ALL: u64 = 1 << 63;
/// The SDK's defaults: of a periodic reader and of a batch of spans.
const METRICS_EVERY: Duration = Duration::from_secs(60);
const SPANS_EVERY: Duration = Duration::from_secs(5);

/// Where metrics go, if over OTLP.
pub(super) fn metrics(env: &Words<'_>, export: &Export) -> Result<Option<MetricsExport>, String> {
    let grpc = match export.protocol.as_str() {
        "" | "none" | "prometheus" => return Ok(None),
        "grpc" => true,
        "http/protobuf" => false,
        other => return Err(format!("requestMetrics.protocol: unsupported metric exporter: {other:?}")),
    };
    let target = target(env, "METRICS", "metrics", &export.endpoint, grpc)
        .map_err(|why| format!("requestMetrics.endpoint: {why}"))?;
    let every = match env.optional("OTEL_METRIC_EXPORT_INTERVAL").as_str() {
        "" => u64::try_from(export.export_interval).ok().filter(|n| *n > 0).map(Duration::from_nanos),
        millis => millis.parse().ok().filter(|n| *n > 0).map(Duration::from_millis),
    };
    Ok(Some(MetricsExport { target, every: every.unwrap_or(METRICS_EVERY) }))
}

/// Where spans go, if anywhere.
pub(super) fn traces(env: &Words<'_>, tracing: &Tracing) -> Result<Option<TracesExport>, String> {
    let grpc = match tracing.protocol.as_str() {
        "" | "none" => return Ok(None),
        "grpc" => Some(true),
        "http/protobuf" => Some(false),
        "stdout" => None,
        other => return Err(format!("tracing.protocol: unsupported trace exporter: {other:?}")),
    };
    let target = match grpc {
        Some(grpc) => Some(
            target(env, "TRACES", "traces", &tracing.endpoint, grpc)
                .map_err(|why| format!("tracing.endpoint: {why}"))?,
        ),
        None => None,
    };
    let every = env.optional("OTEL_BSP_SCHEDULE_DELAY").parse().ok().filter(|n| *n > 0);
    Ok(Some(TracesExport {
        sampler: sampler(env, tracing, target.is_none())?,
        target,
        every: every.map_or(SPANS_EVERY, Duration::from_millis),
    }))
}

fn sampler(env: &Words<'_>, tracing: &Tracing, stdout: bool) -> Result<Sampler, String> {
    let always = Sampler { parent_based: false, share: ALL };
    let arg = env.optional("OTEL_TRACES_SAMPLER_ARG");
    let named = env.optional("OTEL_TRACES_SAMPLER");
    if !named.is_empty() {
        let (parent_based, root) = match named.strip_prefix("parentbased_") {
            Some(root) => (true, root.to_owned()),
            None => (false, named.clone()),
        };
        let share = match root.as_str() {
            "always_on" => ALL,
            "always_off" => 0,
            // A share that is none is all of them, as in the SDK.
            "traceidratio" => arg.parse().map_or(ALL, share),
            _ => return Err(format!("OTEL_TRACES_SAMPLER: unsupported sampler: {named:?}")),
        };
        return Ok(Sampler { parent_based, share });
    }
    if stdout {
        return Ok(always);
    }
    let rate = match arg.as_str() {
        "" => tracing.sampling_rate,
        text => text.parse().map_err(|_| {
            format!("OTEL_TRACES_SAMPLER_ARG: unable to parse sample rate override: {text:?}")
        })?,
    };
    Ok(if rate >= 1.0 {
        always
    } else if tracing.sampling_rate <= 0.0 {
        Sampler { parent_based: false, share: 0 }
    } else {
        // Only a rate of one and more may come from the variable, in the reference as well.
        Sampler { parent_based: true, share: share(tracing.sampling_rate) }
    })
}

fn share(rate: f64) -> u64 {
    if rate >= 1.0 { ALL } else { (rate.max(0.0) * ALL as f64) as u64 }
}

impl Sampler {
    /// Whether a trace of this id is kept; `parent` is what whoever called has decided.
    pub(crate) fn keeps(self, trace: &[u8; 16], parent: Option<bool>) -> bool {
        if let (true, Some(kept)) = (self.parent_based, parent) {
            return kept;
        }
        let tail = trace.last_chunk::<8>().map_or(0, |tail| u64::from_be_bytes(*tail));
        tail >> 1 < self.share
    }
}

/// The collector by the variables, else by the configuration.
fn target(env: &Words<'_>, signal: &str, path: &str, endpoint: &str, grpc: bool) -> Result<Target, String> {
    let default = format!("/v1/{path}");
    let own = (env.0)(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")).unwrap_or_default();
    let base = env.optional("OTEL_EXPORTER_OTLP_ENDPOINT");
    // By a variable of its own it is asked as it is written; by that of all signals each has its path below it.
    let (said, path): (&str, &dyn Fn(&str) -> String) = if !own.is_empty() {
        (&own, &|path| if path.is_empty() { "/".to_owned() } else { path.to_owned() })
    } else if !base.is_empty() {
        (&base, &|path| format!("{}{default}", path.trim_end_matches('/')))
    } else {
        (endpoint, &|path| if path.is_empty() { default.clone() } else { path.to_owned() })
    };
    let bad = || format!("{said:?} is not an endpoint such as http://collector:4318");
    let (scheme, rest) = said.split_once("://").unwrap_or(("https", said));
    let tls = match scheme {
        "http" => false,
        "https" => true,
        _ => return Err(bad()),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, asked) = rest.split_at(at);
    let authority: http::uri::Authority = authority.parse().map_err(|_| bad())?;
    let port = match authority.port() {
        Some(port) => port.as_str().parse().map_err(|_| bad())?,
        // What follows the colon is no number.
        None if authority.as_str().len() > authority.host().len() => return Err(bad()),
        None if tls || grpc => 443,
        None => 80,
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Target { grpc, tls, host, port, path: path(asked) })
}

#[cfg(test)]
mod tests;
