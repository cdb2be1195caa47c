//! When a route applies: path, headers, query, gRPC, share of traffic. One check serves lookup and explanation, so that
//! they cannot disagree.

use std::fmt;
use std::sync::Arc;

use forebay_base::rng::Rng;

use crate::header_match::HeaderMatch;
use crate::pattern::Pattern;
use crate::query_match::QueryMatch;
use crate::request::RequestView;

/// A route's whole condition; every part must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch {
    pub path: PathMatch,
    pub headers: Box<[HeaderMatch]>,
    pub query: Box<[QueryMatch]>,
    /// Only requests whose content-type is `application/grpc` or begins with `application/grpc+`.
    pub grpc: bool,
    /// Only this share of the requests that match otherwise.
    pub fraction: Option<Fraction>,
}

impl RouteMatch {
    /// A path condition alone.
    pub fn path(rule: PathRule) -> Self {
        let path = PathMatch { rule, ignore_case: false };
        Self { path, headers: Box::default(), query: Box::default(), grpc: false, fraction: None }
    }

    /// `path` is the request's without query; the request's own has it.
    #[inline]
    pub(crate) fn check<R: RequestView + ?Sized>(
        &self,
        req: &R,
        path: &[u8],
        rng: &Rng,
    ) -> Result<(), Miss<'_>> {
        if !self.path.matches(req, path) {
            return Err(Miss::Path(&self.path));
        }
        if let Some(missed) = self.headers.iter().find(|header| !header.matches(req)) {
            return Err(Miss::Header(missed));
        }
        if let Some(missed) = self.query.iter().find(|query| !query.matches(req.path())) {
            return Err(Miss::Query(missed));
        }
        if self.grpc && !is_grpc(req) {
            return Err(Miss::Grpc);
        }
        match self.fraction {
            Some(fraction) if !fraction.draw(rng) => Err(Miss::Fraction(fraction)),
            _ => Ok(()),
        }
    }
}

/// A condition on the path without query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathMatch {
    pub rule: PathRule,
    /// ASCII letters compare without case; does not touch [`PathRule::Regex`].
    pub ignore_case: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRule {
    /// CONNECT requests, whatever their path.
    Connect,
    Exact(Arc<str>),
    /// Raw: `/foo` takes `/foobar`.
    Prefix(Arc<str>),
    Regex(Pattern),
    /// `path_separated_prefix`: `/foo` takes `/foo` and `/foo/bar`, not `/foobar`.
    Segments(Arc<str>),
}

impl PathMatch {
    #[inline]
    fn matches<R: RequestView + ?Sized>(&self, req: &R, path: &[u8]) -> bool {
        let same = |part: &[u8], text: &str| {
            if self.ignore_case {
                part.eq_ignore_ascii_case(text.as_bytes())
            } else {
                part == text.as_bytes()
            }
        };
        if path.is_empty() && req.method() == b"CONNECT" {
            // It has no path that could be matched.
            return self.rule == PathRule::Connect;
        }
        match &self.rule {
            PathRule::Connect => req.method() == b"CONNECT",
            PathRule::Exact(text) => same(path, text),
            PathRule::Prefix(text) => path.get(..text.len()).is_some_and(|head| same(head, text)),
            PathRule::Regex(pattern) => !path.is_empty() && pattern.matches(path),
            PathRule::Segments(text) => {
                path.get(..text.len()).is_some_and(|head| same(head, text))
                    && matches!(path.get(text.len()), None | Some(b'/'))
            }
        }
    }

    /// How much of a path that matched a prefix rewrite replaces.
    pub(crate) fn matched_len(&self, path: &[u8]) -> usize {
        match &self.rule {
            PathRule::Prefix(text) | PathRule::Segments(text) => text.len().min(path.len()),
            PathRule::Connect | PathRule::Exact(_) | PathRule::Regex(_) => path.len(),
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            PathRule::Connect => return f.write_str("method CONNECT"),
            PathRule::Exact(text) => write!(f, "path {text}")?,
            PathRule::Prefix(text) => write!(f, "prefix {text}")?,
            PathRule::Regex(pattern) => return write!(f, "path {pattern:?}"),
            PathRule::Segments(text) => write!(f, "path {text} or below")?,
        }
        if self.ignore_case { f.write_str(" (case ignored)") } else { Ok(()) }
    }
}

/// A share of traffic, drawn anew for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    pub numerator: u32,
    /// 100, 10 000 or 1 000 000.
    pub denominator: u32,
}

impl Fraction {
    /// Whether this time is one of them.
    pub fn draw(self, rng: &Rng) -> bool {
        rng.below(self.denominator) < self.numerator
    }
}

/// Why a route did not match.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Miss<'r> {
    Fraction(Fraction),
    Grpc,
    Header(&'r HeaderMatch),
    Path(&'r PathMatch),
    Query(&'r QueryMatch),
}

impl fmt::Display for Miss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fraction(share) => write!(f, "draw of {} in {}", share.numerator, share.denominator),
            Self::Grpc => f.write_str("content-type of gRPC"),
            Self::Header(header) => header.fmt(f),
            Self::Path(path) => path.fmt(f),
            Self::Query(query) => query.fmt(f),
        }
    }
}

fn is_grpc<R: RequestView + ?Sized>(req: &R) -> bool {
    let Some(kind) = req.header("content-type") else { return false };
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

#[cfg(test)]
mod tests;
