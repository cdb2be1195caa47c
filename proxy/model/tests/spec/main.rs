//! What the model makes of xDS resources, read as a specification.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(deprecated, reason = "what older control planes still send is tried like the rest")]

mod build;
mod clusters;
mod dump;
mod filters;
mod gates;
mod listeners;
mod refusals;
mod round_trip;
mod routes;
mod scale;
mod settings;
mod tls;
mod tries;
mod virtual_hosts;
mod world;
