//! Request to route, pure: hosts, paths, headers, splits, with the semantics of Envoy's v3 API. Knows no protobuf, no
//! sockets, and of a cluster only its index.
//!
//! ```text
//! Table ── host ──> VirtualHost ── path, headers, query ──> Route ── Action ──> Picked
//! ```
//!
//! A [`Table`] is immutable; [`Table::with`] makes the next one and shares everything a change did not touch.

mod action;
mod domain;
mod domain_list;
mod explain;
mod header_match;
mod headers;
mod matcher;
mod pattern;
mod per_filter;
mod query_match;
mod redirect;
mod request;
mod retry;
mod rewrite;
mod shards;
mod table;
#[cfg(test)]
mod testing;
mod text;
mod virtual_host;
mod weighted;

pub use action::{Action, Direct, Forward, ForwardSettings, GrpcClock, GrpcTimeout, Rare, Upgrades};
pub use domain::Via;
pub use domain_list::DomainList;
pub use header_match::{HeaderKey, HeaderMatch, HeaderRule};
pub use headers::{HeaderAdd, HeaderAddAction, HeaderLists, HeaderOps, Value};
pub use matcher::{Fraction, PathMatch, PathRule, RouteMatch};
pub use pattern::{InvalidPattern, Pattern};
pub use per_filter::{Override, PerFilter, Told};
pub use query_match::{QueryMatch, QueryRule};
pub use redirect::{Redirect, RedirectPath};
pub use request::{PlainRequest, RequestView};
pub use retry::{Reset, ResetFormat, ResetHeader, Retry, RetryOn};
pub use rewrite::{HostRewrite, PathRewrite, RegexRewrite};
pub use table::{Built, Conflict, Matched, Picked, Settings, Table};
pub use text::{TextMatch, TextRule};
pub use virtual_host::{RequireTls, Route, VirtualHost};
pub use weighted::{ClusterIx, InvalidWeights, Split, Weighted};
