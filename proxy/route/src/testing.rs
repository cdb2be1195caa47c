//! What tests of this crate begin with: a request, a route, a host.

use std::sync::Arc;

pub(crate) use crate::request::PlainRequest as Req;
use crate::{
    Action, ClusterIx, Forward, HeaderOps, PathRule, PerFilter, Route, RouteMatch, VirtualHost, Weighted,
};

/// A route that forwards to a cluster named as the route.
pub(crate) fn route(name: &str, matcher: RouteMatch) -> Route {
    let action = Action::Forward(Forward::to(Weighted::single(ClusterIx(0), name)));
    Route {
        name: name.into(),
        matcher: matcher.into(),
        headers: HeaderOps::default(),
        filters: PerFilter::NONE,
        action,
    }
}

pub(crate) fn prefix(text: &str) -> RouteMatch {
    RouteMatch::path(PathRule::Prefix(text.into()))
}

/// A virtual host with one route for everything.
pub(crate) fn host(name: &str, domains: &[&str]) -> Arc<VirtualHost> {
    Arc::new(VirtualHost::new(name, domains, vec![route(name, prefix("/"))], HeaderOps::default()))
}
