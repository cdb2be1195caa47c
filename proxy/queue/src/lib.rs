//! Knative's sidecar: one app on 127.0.0.1, its concurrency kept, its readiness asked, its clocks watched, its load told. Owns
//! everything a peer of Knative's own queue-proxy can see; knows no xDS, no routes, no engine and no workers: it has one thread.
//!
//! One task for each connection (one for each stream of HTTP/2) serves a request from its head to its end, both legs included;
//! `exchange` is its path, top to bottom. What is different from the reference, and why, is in `conformance/queue/differences.md`.

mod admin;
mod certificate;
mod config;
mod conn;
mod exchange;
mod life;
mod load;
mod metrics;
mod otlp;
mod process;
mod readiness;
mod request_log;
mod server;
mod sidecar;
mod template;
mod trace;
mod unary;

pub use certificate::Unusable;
pub use config::{
    Config, Identity, Invalid, Logging, MetricsExport, Observability, Ports, Prometheus, Target, Timeouts,
    TracesExport,
};
pub use process::run;
pub use readiness::{Handler, Probe};
pub use server::{Addresses, QueueProxy, StartError};
