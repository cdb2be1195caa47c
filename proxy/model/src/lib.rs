//! What the data plane obeys, immutable; the only proxy crate that reads protobuf. Knows nothing of sockets.
//!
//! [`Model::apply`] takes resources as they come off an xDS stream and answers with what a worker has to change, what was
//! refused and why, and what to subscribe to next. What a worker gets is plain: no protobuf, no names to look up.

mod access_log;
mod chain_match;
mod cluster;
mod dump;
mod filter;
mod http_manager;
mod listener;
mod local_reply;
mod model;
mod names;
mod read;
mod revision;
mod source;
mod tracing;
mod update;

pub use access_log::{AccessLogConfig, Compare, LogFilter};
pub use chain_match::{Arrival, ChainMatch, Chains, Overlap, Prefix, SourceType};
pub use cluster::{
    AutoNames, Balance, Cluster, ClusterConfig, ClusterSettings, Discovery, Dns, DnsFamily, DnsHost, Http2,
    Keepalive, Limits, Protocol, RetryBudget,
};
pub use dump::{Dumped, State};
pub use filter::{
    Abort, Allowed, AuthzBody, AuthzGrpc, AuthzHttp, AuthzRoute, AuthzService, Bucket, Buffer, BufferRoute,
    Check, Cors, Decision, Denied, Edit, EditHow, ExtAuthz, FaultInjection, Filter, FilterKind,
    HeaderMutation, HeaderNames, HealthCheck, LocalRateLimit, Mutation, Mutations, Rbac, RbacAction, RbacIp,
    RbacPolicy, RbacRoute, RbacRules, RbacTerm, RbacView, decode_decision, encode_check,
};
pub use http_manager::{
    CertDetails, ClientCert, Codec, EscapedSlashes, HeaderCase, HttpManager, InternalRanges, RouteSource,
    ServerHeader, StripPort, Underscores,
};
pub use listener::{Address, FilterChain, Listener, ListenerFilters, ProxyProtocol};
pub use local_reply::{BodyFormat, LocalReplies, Mapper, ReplyCondition};
pub use model::Model;
pub use read::{Invalid, Rule, loose_access_logs};
pub use revision::{Revision, RevisionBounds};
pub use source::{EVERYTHING, FileResource};
pub use tracing::{Collector, Tag, TagValue, Tracing, Transport};
pub use update::{Applied, Interest, Rejected, Resource, Update};
