//! What the platform does with real processes, one file per behaviour.

mod drain;
mod failures;
mod logs;
mod many;
mod orphans;
mod probes;
mod start;
mod support;
