//! A virtual host and its routes. Knows nothing of other virtual hosts.

use std::sync::Arc;

use forebay_base::rng::Rng;

use crate::action::Action;
use crate::domain_list::DomainList;
use crate::headers::HeaderOps;
use crate::matcher::RouteMatch;
use crate::per_filter::PerFilter;
use crate::request::RequestView;

/// Routes that share domains.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VirtualHost {
    /// A label; need not be unique.
    pub name: Arc<str>,
    pub domains: DomainList,
    /// The first that matches is taken.
    pub routes: Box<[Route]>,
    /// Header operations of all routes.
    pub headers: HeaderOps,
    /// What filters are told for all routes.
    pub filters: PerFilter,
    /// Whose requests have to have come by https.
    pub require_tls: RequireTls,
}

/// Whose requests have to have come by https; others are told to come that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequireTls {
    #[default]
    Nobody,
    /// All but those from inside.
    Outsiders,
    Everybody,
}

impl RequireTls {
    /// Whether this request came in another way than it has to. How it came is what `x-forwarded-proto` says.
    #[inline]
    pub(crate) fn is_broken_by<R: RequestView + ?Sized>(self, req: &R) -> bool {
        match self {
            Self::Nobody => false,
            _ if req.header("x-forwarded-proto") == Some(b"https") => false,
            Self::Outsiders => req.header("x-envoy-internal") != Some(b"true"),
            Self::Everybody => true,
        }
    }
}

impl VirtualHost {
    pub fn new<D: AsRef<str>>(
        name: impl Into<Arc<str>>,
        domains: impl IntoIterator<Item = D>,
        routes: Vec<Route>,
        headers: HeaderOps,
    ) -> Self {
        Self {
            name: name.into(),
            domains: domains.into_iter().collect(),
            routes: routes.into(),
            headers,
            filters: PerFilter::NONE,
            require_tls: RequireTls::Nobody,
        }
    }

    /// The first route that matches.
    #[inline]
    pub(crate) fn route<R: RequestView + ?Sized>(&self, req: &R, path: &[u8], rng: &Rng) -> Option<&Route> {
        self.routes.iter().find(|route| route.matcher.check(req, path, rng).is_ok())
    }
}

/// A condition and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// A label; need not be unique.
    pub name: Arc<str>,
    /// When it applies. One for the thousands of routes that say the same.
    pub matcher: Arc<RouteMatch>,
    /// Header operations of this route.
    pub headers: HeaderOps,
    /// What filters are told for this route.
    pub filters: PerFilter,
    /// What it does.
    pub action: Action,
}

impl Route {
    /// The path to go on with, when the route rewrites it: upstream for a forward, in `Location` for a redirect.
    /// `path` is the request's, with its query, which is kept.
    pub fn rewritten_path(&self, path: &[u8]) -> Option<Vec<u8>> {
        let rewrite = match &self.action {
            Action::Direct(_) => None,
            Action::Forward(forward) => forward.path_rewrite(),
            Action::Redirect(redirect) => redirect.path.rewrite(),
        }?;
        Some(rewrite.apply(path, &self.matcher.path))
    }
}
