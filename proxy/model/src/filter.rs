//! HTTP filters as the data plane obeys them. Knows nothing of protobuf or sockets.

use std::sync::Arc;

mod authz;
mod check;
mod common;
mod rbac;

pub use authz::{AuthzBody, AuthzGrpc, AuthzHttp, AuthzRoute, AuthzService, ExtAuthz, Names as HeaderNames};
pub use check::{Allowed, Check, Decision, Denied, Edit, EditHow, decode_decision, encode_check};

pub use common::{
    Abort, Bucket, Buffer, BufferRoute, Cors, FaultInjection, HeaderMutation, LocalRateLimit, Mutation,
    Mutations,
};

pub use rbac::{Rbac, RbacAction, RbacIp, RbacPolicy, RbacRoute, RbacRules, RbacTerm, RbacView};

use forebay_route::HeaderMatch;

/// One filter before the router.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// What routes call it in their settings.
    pub name: Arc<str>,
    /// Off where no route says otherwise.
    pub disabled: bool,
    /// What it does.
    pub kind: FilterKind,
}

/// What a filter does.
#[derive(Debug, Clone, PartialEq)]
pub enum FilterKind {
    /// Asks somebody else whether the request may pass.
    ExtAuthz(Arc<ExtAuthz>),
    /// Lets other origins in, as routes say.
    Cors,
    /// Waits for whole bodies.
    Buffer(Buffer),
    /// Hurts some requests on purpose.
    Fault(Arc<FaultInjection>),
    /// Refuses what is too much; `None` has no limit of its own, routes may.
    LocalRateLimit(Option<Arc<LocalRateLimit>>),
    /// Changes headers.
    HeaderMutation(Arc<HeaderMutation>),
    /// Answers health checks, or lets them through to the endpoints.
    HealthCheck(Arc<HealthCheck>),
    /// Refuses those who may not.
    Rbac(Arc<Rbac>),
}

/// Which requests are health checks, and who answers them.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthCheck {
    /// Endpoints answer; the proxy itself only while it is failing.
    pub pass_through: bool,
    /// All have to match.
    pub headers: Vec<HeaderMatch>,
}
