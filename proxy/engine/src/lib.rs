//! A worker thread: accept, sniff, codec, hygiene, match, admit, pick, forward, record. Owns the order of these and the one
//! table of local replies; knows no roles, no xDS and no control plane.
//!
//! One task per downstream connection (one per stream on HTTP/2) does everything for its request, the upstream leg included:
//! read `exchange` top to bottom. Configuration arrives as [`forebay_model::Update`]s in a mailbox; a worker looks at one
//! atomic number before it routes, so that once [`Fleet::publish`] has returned no worker routes by the old configuration.

pub mod admin;
mod bytes;
mod call;
mod config;
mod conn;
mod exchange;
mod fault;
mod filters;
mod fleet;
mod report;
mod spans;
mod worker;

pub use fault::{Fault, Reply, Retry};
pub use fleet::{Bound, Fleet, Options, StartError};
pub use report::Report;
pub use spans::SpanCounts;
