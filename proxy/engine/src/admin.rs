//! The admin interface: what Envoy's operators and tools ask of port 9901. Knows the data plane only through
//! [`Provider`]; runs on the control thread, never on a worker.
//!
//! Everything that takes longer than a word (statistics, dumps) is made on the runtime's blocking threads, two at a
//! time, so that neither a scrape nor a curious person holds up the control thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_telemetry::Snapshot;
use serde_json::Value;

mod access;
mod answer;
mod commands;
mod dump;
pub mod loggers;
mod query;
mod serve;
mod views;

pub use access::AccessLog;
pub use serve::{Bounds, serve};

/// What the admin interface shows and does. Methods may take their time where noted; they are never called on a worker.
pub trait Provider: Send + Sync + 'static {
    /// For `/ready`. Quick.
    fn state(&self) -> State;

    /// Statistics of all workers, with whatever else is to be shown beside them. May fold for a while.
    fn stats(&self) -> Snapshot;

    /// Counters start anew from zero. May take a moment.
    fn reset_counters(&self);

    /// For `/certs`: each listener's and cluster's certificates.
    fn certificates(&self) -> Vec<Certificate>;

    /// For `/init_dump`: what still waits for something.
    fn unready(&self) -> Vec<Unready>;

    /// For `/memory`.
    fn memory(&self) -> Memory;

    /// Sections of `/config_dump` in Envoy's JSON, each with its `@type` (`..ClustersConfigDump`). May be large.
    /// `endpoints`: whether EDS is asked for as well.
    fn config_dump(&self, endpoints: bool) -> Vec<Value>;

    /// For `/clusters`.
    fn clusters(&self) -> Vec<ClusterView>;

    /// For `/listeners`: name and addresses.
    fn listeners(&self) -> Vec<(String, Vec<SocketAddr>)>;

    /// For `/server_info`.
    fn server_info(&self) -> ServerInfo;

    /// For `/explain`: what would become of a request, and why.
    fn explain(&self, request: &Asked) -> Explanation;

    /// Begins to drain; returns at once.
    fn drain_listeners(&self, how: DrainListeners);

    /// Fails (or stops failing) health checks: `state` then says so.
    fn fail_healthcheck(&self, fail: bool);

    /// Opens log files anew.
    fn reopen_logs(&self);

    /// Ends the process soon; returns at once, so that the answer still gets out.
    fn quit(&self);
}

/// Envoy's server states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Serving.
    Live,
    /// Health checks are failed, by request or because the process is draining.
    Draining,
    /// Nothing was heard from the control plane yet.
    PreInitializing,
    /// The first configuration is not complete.
    Initializing,
}

/// A cluster in `/clusters`.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// Whether it came over xDS.
    pub added_via_api: bool,
    /// Circuit breakers of default priority.
    pub limits: Option<Limits>,
    /// Circuit breakers of high priority.
    pub high: Option<Limits>,
    /// More about the whole cluster, as `name::key::value`: `forebay_waiting`, `forebay_in_flight` ..
    pub facts: Vec<(&'static str, String)>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointView>,
}

/// Circuit breaker thresholds.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "Envoy's names say it")]
pub struct Limits {
    pub max_connections: u64,
    pub max_pending_requests: u64,
    pub max_requests: u64,
    pub max_retries: u64,
}

/// An endpoint in `/clusters`.
#[derive(Debug, Clone)]
pub struct EndpointView {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its DNS name, if it came from one.
    pub hostname: String,
    /// Its numbers by Envoy's names: `rq_active`, `rq_total`, `cx_active` .. with whether they are gauges.
    pub numbers: Vec<(&'static str, u64, bool)>,
    /// Whether it takes new requests.
    pub health: Health,
    /// Its share.
    pub weight: u32,
    /// Its priority; 0 is the first.
    pub priority: u32,
    /// Region, zone and part of a zone.
    pub locality: (String, String, String),
}

/// What is resident, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// In use by the program itself.
    pub allocated: u64,
    /// Got from the system for that.
    pub heap: u64,
    /// All of the process, files mapped included.
    pub resident: u64,
}

/// Something that waits before it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unready {
    /// `listener`, `cluster` or `route`.
    pub component: &'static str,
    /// Its name.
    pub name: String,
    /// What it waits for.
    pub waits_for: Vec<String>,
}

/// Certificates that belong together: of one TLS context.
#[derive(Debug, Clone, Default)]
pub struct Certificate {
    /// Whom it trusts.
    pub authorities: Vec<CertificateDetails>,
    /// What it shows, its own first.
    pub chain: Vec<CertificateDetails>,
}

/// One X.509 certificate.
#[derive(Debug, Clone, Default)]
pub struct CertificateDetails {
    /// The file it came from; `<inline>` if none.
    pub path: String,
    /// Serial number in hexadecimal digits.
    pub serial: String,
    /// Alternative names that are host names.
    pub dns: Vec<String>,
    /// Those that are URIs.
    pub uris: Vec<String>,
    /// Those that are addresses.
    pub addresses: Vec<String>,
    /// Whole days until it expires; 0 when it has.
    pub days_left: u64,
    /// RFC 3339.
    pub valid_from: String,
    /// RFC 3339.
    pub expires: String,
}

/// An endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Takes requests.
    Healthy,
    /// Told so by EDS.
    Unhealthy,
    /// Finishes what it has.
    Draining,
}

/// `/server_info`.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// Version of the program.
    pub version: String,
    /// How long it runs.
    pub uptime: Duration,
    /// Envoy's `command_line_options`.
    pub options: Value,
    /// Envoy's `node`.
    pub node: Value,
}

/// A request to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The URL as given.
    pub url: String,
    /// `GET` unless said.
    pub method: String,
    /// Headers, lower-case names.
    pub headers: Vec<(String, String)>,
}

/// What would become of it.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// For people, one step a line.
    pub lines: Vec<String>,
    /// For programs.
    pub json: Value,
}

/// How `/drain_listeners` was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrainListeners {
    /// Tell clients to go for the drain time, then close. Otherwise close at once.
    pub graceful: bool,
    /// Only listeners with inbound traffic direction.
    pub inbound_only: bool,
    /// Do not end the process after the drain.
    pub skip_exit: bool,
}

type Shared = Arc<dyn Provider>;

#[cfg(test)]
mod tests;
