//! What `forebay up` promises, one file for each behaviour, over real sockets and processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod bad_manifests;
mod bad_programs;
mod bad_start;
mod bodies;
mod canary;
mod cold_start;
mod concurrency;
mod crowd;
mod examples;
mod framing;
mod grpc;
mod http1;
mod hygiene;
mod live_files;
mod orphans;
mod queue_proxy;
mod replica_killed;
mod restart;
mod scale_to_zero;
mod settings;
mod split;
mod streaming;
mod waiting_room;
mod websocket;
