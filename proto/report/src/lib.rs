//! What proxies report: Knative's load statistics and OpenTelemetry's metrics and spans, as protobuf messages. Knows nothing else,
//! above all not Envoy's vocabulary: who only reports is built without it.

pub mod metrics;
pub mod otlp;
