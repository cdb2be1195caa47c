//! Probes as this platform runs them: what one attempt does, and how attempts add up. Knows nothing of processes'
//! lives.

mod attempt;
mod grpc;
mod http;
mod plan;

pub(crate) use attempt::{Attempt, Target};
pub(crate) use plan::{Check, Plan, Waited};

#[cfg(test)]
mod tests;
