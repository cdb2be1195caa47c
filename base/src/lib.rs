//! Words every floor shares: Go durations, a fast random generator, a coarse clock, quantities for people.
//! Knows nothing of async, protobuf or HTTP.

pub mod duration;
pub mod rng;
