//! Redirects: where the client is told to go. Pure; the answer itself is the engine's.

use std::sync::Arc;

use crate::request::RequestView;
use crate::rewrite::PathRewrite;
use crate::virtual_host::Route;

/// Which parts of the URL change; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `https` for Envoy's `https_redirect`.
    pub scheme: Option<Arc<str>>,
    pub host: Option<Arc<str>>,
    pub port: Option<u16>,
    pub path: RedirectPath,
    /// The request's query goes; one that [`RedirectPath::Replace`] brings stays.
    pub strip_query: bool,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectPath {
    Keep,
    /// Instead of the request's path; with a query of its own it replaces the request's query too.
    Replace(Arc<str>),
    Rewrite(PathRewrite),
}

impl RedirectPath {
    pub(crate) fn rewrite(&self) -> Option<&PathRewrite> {
        match self {
            Self::Rewrite(rewrite) => Some(rewrite),
            Self::Keep | Self::Replace(_) => None,
        }
    }
}

impl Redirect {
    /// The same URL by https, 301: what Knative's `httpOption: Redirected` asks for.
    pub fn to_https() -> Self {
        let path = RedirectPath::Keep;
        Self { scheme: Some("https".into()), host: None, port: None, path, strip_query: false, status: 301 }
    }

    /// The value of `Location`. `route` is the one that matched; a prefix rewrite needs to know what it matched.
    pub fn location<R: RequestView + ?Sized>(&self, route: &Route, req: &R) -> Vec<u8> {
        let scheme = self.scheme.as_deref().map_or(req.scheme(), str::as_bytes);
        let host = self.host.as_deref().map_or_else(|| self.request_host(req, scheme), str::as_bytes);
        let mut url = Vec::with_capacity(scheme.len() + host.len() + req.path().len() + ROOM);
        url.extend_from_slice(scheme);
        url.extend_from_slice(b"://");
        url.extend_from_slice(host);
        if let Some(port) = self.port {
            url.extend_from_slice(format!(":{port}").as_bytes());
        }
        match &self.path {
            RedirectPath::Replace(path) if path.contains('?') => url.extend_from_slice(path.as_bytes()),
            RedirectPath::Replace(path) => {
                url.extend_from_slice(path.as_bytes());
                if !self.strip_query {
                    url.extend_from_slice(query(req.path()));
                }
            }
            RedirectPath::Keep => url.extend_from_slice(self.stripped(req.path())),
            RedirectPath::Rewrite(rewrite) => {
                url.extend_from_slice(self.stripped(&rewrite.apply(req.path(), &route.matcher.path)));
            }
        }
        url
    }

    /// The request's host, without a port that the new URL would belie: any when the port changes, the old scheme's own
    /// (`:80`, `:443`) when the scheme does.
    fn request_host<'a, R: RequestView + ?Sized>(&self, req: &'a R, scheme: &[u8]) -> &'a [u8] {
        let host = req.authority();
        let Some(at) = port_start(host) else { return host };
        // X-Forwarded-Proto is how the client came; an edge in front of us may have ended its TLS.
        let came_by = req.header("x-forwarded-proto").unwrap_or(req.scheme());
        let own_port = match came_by {
            b"http" => &host[at..] == b":80",
            b"https" => &host[at..] == b":443",
            _ => false,
        };
        if self.port.is_some() || (scheme != came_by && own_port) { &host[..at] } else { host }
    }

    fn stripped<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        if self.strip_query { &path[..path.len() - query(path).len()] } else { path }
    }
}

/// Bytes beside the parts: `://`, `:65535`, and some for a longer path.
const ROOM: usize = 32;

/// Where `:port` begins in a host, if it has one; colons inside an IPv6 literal's brackets are none.
pub(crate) fn port_start(host: &[u8]) -> Option<usize> {
    // A loop: it ends after some digits, or a name that is shorter than a search for it is dear.
    let end = host.iter().rposition(|byte| matches!(byte, b':' | b']'))?;
    (host.get(end) == Some(&b':')).then_some(end)
}

/// The query with its `?`; empty when there is none.
fn query(path: &[u8]) -> &[u8] {
    memchr::memchr(b'?', path).map_or(&[], |at| &path[at..])
}

#[cfg(test)]
mod tests;
