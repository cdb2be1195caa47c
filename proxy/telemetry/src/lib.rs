//! Counters, histograms, Prometheus text, access log. Knows nothing of sockets or routes.
//!
//! Three parts. *Statistics*: each worker writes its own blocks ([`Stats`]), the control thread folds them
//! ([`Registry`] → [`Snapshot`]) and [`export`] spells them as Envoy does. *Access log*: Envoy's format language,
//! compiled once ([`log::Format`]) and rendered into a worker's buffer. *Sinks*: one thread per log file
//! ([`log::LogFile`]); a slow disk costs log lines, never a worker's time.

mod cells;
pub mod export;
pub mod hash;
pub mod histogram;
pub mod log;
mod registry;
mod scopes;
pub mod trace;

pub use cells::Stats;
pub use export::{Filter, InvalidPattern, Only, Pattern};
pub use registry::{Extra, Family, Inner, Registry, Snapshot, Source, Totals, Word};
pub use scopes::{Cluster, ClusterTime, Def, Http, HttpTime, Kind, Listener, ListenerTime, Scope};

/// Statistics of one HTTP connection manager, by its `stat_prefix`.
pub type HttpStats = Stats<Http>;
/// Statistics of one cluster, by its name.
pub type ClusterStats = Stats<Cluster>;
/// Statistics of one listener, by its address.
pub type ListenerStats = Stats<Listener>;
