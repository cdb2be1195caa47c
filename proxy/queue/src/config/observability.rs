//! `OBSERVABILITY_CONFIG`: what of Knative's `config-observability` concerns a queue-proxy. Knows no exporters.

use serde::Deserialize;

use super::Invalid;

/// Metrics, traces and the request log.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Observability {
    /// Whether requests are logged.
    pub enable_request_log: bool,
    /// Go's template of a line.
    pub request_log_template: String,
    /// Whether probes are logged as well.
    pub enable_probe_request_log: bool,
    /// Metrics of requests.
    pub request_metrics: Export,
    /// Traces.
    pub tracing: Tracing,
    /// What the process tells of itself.
    pub runtime: Runtime,
}

/// How something is told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Export {
    /// `none`, or empty, is not at all.
    pub protocol: String,
    /// To whom; of Prometheus where it asks.
    pub endpoint: String,
    /// How often, in nanoseconds; 0 is the default.
    pub export_interval: i64,
}

/// How spans are told.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracing {
    /// `none`, or empty, is not at all.
    pub protocol: String,
    /// To whom.
    pub endpoint: String,
    /// Of the traces that begin here, from 0 to 1.
    pub sampling_rate: f64,
}

/// What the process tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// `enabled` or `disabled`.
    pub profiling: String,
}

impl Observability {
    /// Whether profiles may be asked for.
    pub(crate) fn profiles(&self) -> bool {
        self.runtime.profiling.eq_ignore_ascii_case("enabled")
    }

    /// Reads the JSON; empty is the defaults.
    pub(super) fn read(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text)
            .map_err(|e| Invalid::Json { name: "OBSERVABILITY_CONFIG", why: e.to_string() })
    }
}
