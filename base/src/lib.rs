//! Words every floor shares: Go durations, a fast random generator, bytes that are kept as what differs, versions that
//! are mostly hashes, the calendar, sorted maps of thousands, turns of the processor.
//! Knows nothing of async, protobuf or HTTP.

pub mod alike;
pub mod calendar;
pub mod duration;
pub mod rng;
pub mod tree;
pub mod turn;
pub mod version;
