//! `ext_authz`: whom to ask, what to tell, what to obey. Knows no wire.

use std::sync::Arc;
use std::time::Duration;

use forebay_route::{ClusterIx, Fraction, HeaderAdd, TextMatch};

/// The filter's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtAuthz {
    /// Whom to ask.
    pub service: AuthzService,
    /// What becomes of a request when nobody answers: it passes instead of being refused.
    pub failure_mode_allow: bool,
    /// Says so to the upstream in `x-envoy-auth-failure-mode-allowed`.
    pub failure_mode_allow_header: bool,
    /// Whether the authorizer sees bodies.
    pub body: Option<AuthzBody>,
    /// Routes again after the authorizer changed the request.
    pub clear_route_cache: bool,
    /// What a request gets when nobody answers.
    pub status_on_error: u16,
    /// The share of requests that are checked; `None` is all.
    pub enabled: Option<Fraction>,
    /// What is not checked is refused.
    pub deny_at_disable: bool,
    /// Which request headers the authorizer sees; `None` is all.
    pub allowed_headers: Option<Names>,
    /// Which it does not see in any case.
    pub disallowed_headers: Names,
}

/// Header names that match one of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names(pub Vec<TextMatch>);

impl Names {
    /// Whether a lower-case name is one of them.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|it| it.matches(name))
    }
}

/// Whom to ask.
#[derive(Debug, Clone, PartialEq)]
pub enum AuthzService {
    /// `envoy.service.auth.v3.Authorization/Check`.
    Grpc(AuthzGrpc),
    /// A copy of the request's head.
    Http(Box<AuthzHttp>),
}

/// An authorizer that speaks gRPC.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthzGrpc {
    /// Where it is.
    pub cluster: ClusterIx,
    /// The `:authority` it is asked by; the cluster's name unless configured.
    pub authority: Arc<str>,
    /// How long it is waited for; zero is for ever.
    pub timeout: Duration,
    /// Sent along.
    pub metadata: Vec<HeaderAdd>,
}

/// An authorizer that speaks HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthzHttp {
    /// Where it is.
    pub cluster: ClusterIx,
    /// How long it is waited for; zero is for ever.
    pub timeout: Duration,
    /// Before the request's path.
    pub path_prefix: Arc<str>,
    /// Instead of it, if there is something here.
    pub path_override: Arc<str>,
    /// Sent along.
    pub headers_to_add: Vec<HeaderAdd>,
    /// Which of its headers the request gets.
    pub upstream_headers: Names,
    /// The same, appended to what is there.
    pub upstream_headers_to_append: Names,
    /// Which of its headers a refused client gets; `None` is all.
    pub client_headers: Option<Names>,
    /// Which of its headers the client gets with the upstream's response.
    pub client_headers_on_success: Names,
}

/// How much of a request's body the authorizer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthzBody {
    /// Bytes.
    pub most: u32,
    /// Of a larger body the beginning; otherwise it is refused by 413.
    pub allow_partial: bool,
    /// As bytes; otherwise as text, in which what is no UTF-8 is replaced.
    pub as_bytes: bool,
}

/// What a route tells the filter.
#[derive(Debug, Clone, PartialEq)]
pub enum AuthzRoute {
    /// Not to ask.
    Disabled,
    /// What else to say.
    Check {
        /// Told to the authorizer; those of all levels, the most specific wins.
        extensions: Box<[(Arc<str>, Arc<str>)]>,
        /// Bodies are not held.
        no_body: bool,
        /// Instead of the filter's own.
        body: Option<AuthzBody>,
    },
}
