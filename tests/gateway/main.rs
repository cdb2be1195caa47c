//! What `forebay gateway` promises in Envoy's place, one file for each behaviour, over real sockets and processes.
#![allow(unreachable_pub, reason = "modules of one test program use each other")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../../proxy/gateway/tests/support/resources.rs"]
mod resources;
#[path = "../support/mod.rs"]
mod support;

mod plane;
mod world;

mod addresses;
mod bad_control_planes;
mod bad_starts;
mod command_line;
mod endings;
mod files;
mod streams;
