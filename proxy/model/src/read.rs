//! Reading Envoy v3 messages into plain types: where a reader is ([`At`]), what it refuses ([`Invalid`]), and one file per
//! message. Knows nothing of what other resources exist, nor of what was there before.

#![expect(deprecated, reason = "what older control planes still send is judged like the rest")]

mod access_log;
mod address;
mod any;
mod at;
mod cluster;
mod cluster_protocol;
mod config_source;
mod data_source;
mod endpoints;
mod fields;
mod filters;
mod format;
mod headers;
mod http_manager;
mod http_options;
mod invalid;
mod listener;
mod local_reply;
mod log_filter;
mod matching;
mod per_filter;
mod redirect;
mod retry;
mod revision;
mod route;
mod route_action;
mod route_config;
mod scalar;
mod tiers;
mod tracing;
mod transport;
mod virtual_host;
mod wire;

pub use access_log::loose_access_logs;
pub(crate) use any::{decode, name_of};
pub(crate) use at::At;
pub(crate) use cluster::{Read as ReadCluster, cluster};
pub(crate) use endpoints::{Assignment, Member, assignment};
pub(crate) use http_manager::Routes;
pub use invalid::{Invalid, Rule};
pub(crate) use listener::{Read as ReadListener, listener};
pub(crate) use route_config::{Host, Shell, duplicate, route_config};
pub(crate) use transport::Known as KnownTls;
pub(crate) use virtual_host::virtual_host;
pub(crate) use wire::text;
