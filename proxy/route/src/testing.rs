//! A request for tests: parts as text.

use std::sync::Arc;

use crate::request::RequestView;
use crate::{
    Action, ClusterIx, Forward, HeaderOps, PathRule, PerFilter, Route, RouteMatch, VirtualHost, Weighted,
};

pub(crate) struct Req {
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Req {
    pub(crate) fn get(authority: &str, path: &str) -> Self {
        let [authority, path, method, scheme] = [authority, path, "GET", "http"].map(str::to_owned);
        Self { authority, path, method, scheme, headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl RequestView for Req {
    fn authority(&self) -> &[u8] {
        self.authority.as_bytes()
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn scheme(&self) -> &[u8] {
        self.scheme.as_bytes()
    }

    fn each_header<'a>(&'a self, name: &str, value: &mut dyn FnMut(&'a [u8])) {
        self.headers.iter().filter(|(known, _)| known == name).for_each(|(_, it)| value(it.as_bytes()));
    }
}

/// A route that forwards to a cluster named as the route.
pub(crate) fn route(name: &str, matcher: RouteMatch) -> Route {
    let action = Action::Forward(Forward::to(Weighted::single(ClusterIx(0), name)));
    Route { name: name.into(), matcher, headers: HeaderOps::default(), filters: PerFilter::NONE, action }
}

pub(crate) fn prefix(text: &str) -> RouteMatch {
    RouteMatch::path(PathRule::Prefix(text.into()))
}

/// A virtual host with one route for everything.
pub(crate) fn host(name: &str, domains: &[&str]) -> Arc<VirtualHost> {
    Arc::new(VirtualHost::new(name, domains, vec![route(name, prefix("/"))], HeaderOps::default()))
}
