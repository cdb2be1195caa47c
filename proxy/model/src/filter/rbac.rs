//! Who may do what: the rules of `envoy.filters.http.rbac` as plain data, and what they come to for a request. Knows no
//! protobuf and no sockets.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use forebay_route::{HeaderMatch, RequestView, TextMatch};

use crate::http_manager::InternalRanges;

/// What the filter does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rbac {
    /// What is enforced; `None` lets everybody pass.
    pub rules: Option<RbacRules>,
    /// What is only counted.
    pub shadow: Option<RbacRules>,
}

/// What a route says to the filter; no rules at all switch it off.
#[derive(Debug, Clone, PartialEq)]
pub struct RbacRoute(pub Option<Rbac>);

/// Policies and what it means to match one.
#[derive(Debug, Clone, PartialEq)]
pub struct RbacRules {
    /// What matching means.
    pub action: RbacAction,
    /// In the order of their names, which is the order they are asked in.
    pub policies: Vec<RbacPolicy>,
}

/// What it means that a policy matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RbacAction {
    /// Who matches one may pass, and nobody else.
    Allow,
    /// Who matches one may not.
    Deny,
    /// Nothing.
    Log,
}

/// Some may do something.
#[derive(Debug, Clone, PartialEq)]
pub struct RbacPolicy {
    /// Its name.
    pub name: Arc<str>,
    /// One has to hold.
    pub permissions: Vec<RbacTerm>,
    /// One has to hold.
    pub principals: Vec<RbacTerm>,
}

/// A condition on a request or on who sent it.
#[derive(Debug, Clone, PartialEq)]
pub enum RbacTerm {
    /// All hold.
    All(Vec<RbacTerm>),
    /// One holds.
    Any(Vec<RbacTerm>),
    /// It holds.
    Always,
    /// It does not hold.
    Not(Box<RbacTerm>),
    /// A header of the request.
    Header(HeaderMatch),
    /// The path without query.
    Path(TextMatch),
    /// An address.
    Ip(RbacIp, InternalRanges),
    /// The port that the client connected to.
    Port(Range<u32>),
    /// The name that the client asked for in its TLS handshake; empty without one.
    ServerName(TextMatch),
    /// The connection has TLS, and its client's certificate has this name: one of its URIs, one of its host names, or its
    /// subject.
    Authenticated(Option<TextMatch>),
}

/// Whose address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RbacIp {
    /// Where the client connected to.
    Destination,
    /// The peer of the connection, or whom the PROXY header names.
    Connection,
    /// The peer of the socket.
    Direct,
    /// The client, as far as `x-forwarded-for` is believed.
    Remote,
}

/// What rules ask of a request.
pub trait RbacView {
    /// An address.
    fn ip(&self, of: RbacIp) -> Option<IpAddr>;
    /// Where the client connected to.
    fn destination(&self) -> Option<SocketAddr>;
    /// The name that the client asked for; empty without one.
    fn server_name(&self) -> &str;
    /// Whether the connection has TLS.
    fn is_secure(&self) -> bool;
    /// Whether a name of the client's certificate is accepted: its URIs first, then its host names, then its subject.
    fn has_name(&self, accepts: &dyn Fn(&str) -> bool) -> bool;
}

impl RbacRules {
    /// Whether the request may pass, and by which policy that is so; none where no policy matches.
    pub fn verdict<R: RequestView, V: RbacView>(&self, req: &R, view: &V) -> (bool, Option<&Arc<str>>) {
        let found = self.policies.iter().find(|policy| {
            let holds = |terms: &[RbacTerm]| terms.iter().any(|term| term.holds(req, view));
            holds(&policy.permissions) && holds(&policy.principals)
        });
        let may = match self.action {
            RbacAction::Allow => found.is_some(),
            RbacAction::Deny => found.is_none(),
            RbacAction::Log => true,
        };
        (may, found.map(|policy| &policy.name))
    }
}

impl RbacTerm {
    fn holds<R: RequestView, V: RbacView>(&self, req: &R, view: &V) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.holds(req, view)),
            Self::Any(terms) => terms.iter().any(|term| term.holds(req, view)),
            Self::Always => true,
            Self::Not(term) => !term.holds(req, view),
            Self::Header(header) => header.matches(req),
            Self::Path(text) => {
                let path = req.path();
                let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
                text.matches(path.get(..end).unwrap_or_default())
            }
            Self::Ip(of, ranges) => view.ip(*of).is_some_and(|ip| ranges.contains(ip)),
            Self::Port(ports) => view.destination().is_some_and(|at| ports.contains(&at.port().into())),
            Self::ServerName(text) => text.matches(view.server_name().as_bytes()),
            Self::Authenticated(None) => view.is_secure(),
            Self::Authenticated(Some(text)) => {
                view.is_secure() && view.has_name(&|name| text.matches(name.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
