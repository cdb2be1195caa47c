//! What the gateway does for its clients and endpoints: bytes in, bytes out. One file for each behaviour.
#![allow(deprecated, reason = "what older control planes still send is tried like the rest")]
#![allow(unreachable_pub, reason = "what tests share is public within the test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

mod authorizer;
mod backend;
mod background;
mod client;
mod frames;
mod h2c;
#[path = "../support/pki.rs"]
mod pki;
#[path = "../support/resources.rs"]
mod resources;
mod world;

mod access_log;
mod access_log_operators;
mod admin;
mod admission;
mod bodies;
mod client_certificates;
mod clocks;
mod cluster_limits;
mod connect;
mod connections;
mod control_plane;
mod drain;
mod draining;
mod expect_continue;
mod ext_authz;
mod ext_authz_http;
mod ext_authz_trouble;
mod forwarding;
mod framing_of_requests;
mod framing_of_responses;
mod handshakes;
mod header_values;
mod headers;
mod health_check;
mod http2;
mod http2_upstream;
mod interim;
mod leaving;
mod lifetimes;
mod local_replies;
mod naming_destinations;
mod proxy_header;
mod rbac;
mod reports;
mod retries;
mod retry_policy;
mod routing;
mod server_names;
mod small_filters;
mod statistics;
mod tracing;
mod upgrades;
mod upgrades_over_http2;
mod upstream_tls;
mod waiting_room;
