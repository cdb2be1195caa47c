//! What the platform does with real processes, one file per behaviour.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod drain;
mod failures;
mod logs;
mod many;
mod orphans;
mod probes;
mod start;
mod support;
