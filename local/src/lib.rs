//! The single-machine platform: revisions as local processes. Knows nothing of proxies.
//!
//! A [`Platform`] is told which revisions there are and how many replicas each should have; it tells by [`Event`]s what
//! became of that. Each replica is a process group with a port of its own on 127.0.0.1. A guard process sees that
//! nothing outlives the platform, whatever it dies of.
//!
//! Three files show how it works: `supervisor.rs` (how many), `replica.rs` (the life of one), `guard.rs` (no orphans).

mod backoff;
mod event;
mod failure;
mod guard;
mod launch;
mod logs;
mod options;
mod platform;
mod ports;
mod probe;
mod process;
mod replica;
mod sidecar;
mod sockets;
pub mod state;
mod supervisor;

pub use event::{Event, Room, Stream};
pub use guard::guard_main;
pub use launch::words::{Unclosed, split as words};
pub use options::Options;
pub use platform::{Platform, ReplicaState, ReplicaStatus, StartError, Status, Urgency, Workload};
