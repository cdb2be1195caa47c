//! Knative's stat messages (`package metrics` of serving's `pkg/autoscaler/metrics/stat.proto`), written as the Rust that
//! prost would generate: three messages do not earn a code generator in the build.

/// One sample of a revision's load, as a pod or an activator saw it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Stat {
    /// Who saw it: the queue-proxy's pod, or the activator's own name.
    #[prost(string, tag = "1")]
    pub pod_name: String,
    /// Time-weighted mean of requests in flight over the last period, proxied ones included.
    #[prost(double, tag = "2")]
    pub average_concurrent_requests: f64,
    /// The part of the above that came through an activator.
    #[prost(double, tag = "3")]
    pub average_proxied_concurrent_requests: f64,
    /// Arrivals per second in the last period, proxied ones included.
    #[prost(double, tag = "4")]
    pub request_count: f64,
    /// The part of the above that came through an activator.
    #[prost(double, tag = "5")]
    pub proxied_request_count: f64,
    /// Seconds since the reporter started.
    #[prost(double, tag = "6")]
    pub process_uptime: f64,
    /// Unix seconds; 0 from senders, filled in by the autoscaler on receipt.
    #[prost(int64, tag = "7")]
    pub timestamp: i64,
}

/// A sample with the revision it belongs to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WireStatMessage {
    /// The revision's namespace.
    #[prost(string, tag = "1")]
    pub namespace: String,
    /// The revision's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The sample; a message without one is skipped by readers.
    #[prost(message, optional, tag = "3")]
    pub stat: Option<Stat>,
}

/// What one websocket frame carries.
#[derive(Clone, PartialEq, prost::Message)]
pub struct WireStatMessages {
    /// The batch of one tick.
    #[prost(message, repeated, tag = "1")]
    pub messages: Vec<WireStatMessage>,
}
