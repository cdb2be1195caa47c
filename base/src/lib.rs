//! Words every floor shares: Go durations, a fast random generator, bytes that are kept as what differs.
//! Knows nothing of async, protobuf or HTTP.

pub mod alike;
pub mod duration;
pub mod rng;
