//! When a route applies: path, headers, query, gRPC, share of traffic. One check serves lookup and explanation, so that
//! they cannot disagree.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use forebay_base::rng::Rng;
use smallvec::SmallVec;

use crate::pattern::Pattern;
use crate::request::RequestView;
use crate::text::TextMatch;

/// A route's whole condition; every part must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch {
    pub path: PathMatch,
    pub headers: Vec<HeaderMatch>,
    pub query: Vec<QueryMatch>,
    /// Only requests whose content-type is `application/grpc` or begins with `application/grpc+`.
    pub grpc: bool,
    /// Only this share of the requests that match otherwise.
    pub fraction: Option<Fraction>,
}

impl RouteMatch {
    /// A path condition alone.
    pub fn path(rule: PathRule) -> Self {
        let path = PathMatch { rule, ignore_case: false };
        Self { path, headers: Vec::new(), query: Vec::new(), grpc: false, fraction: None }
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
            Some(fraction) if rng.below(fraction.denominator) >= fraction.numerator => {
                Err(Miss::Fraction(fraction))
            }
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

/// A condition on a header, or on a pseudo header.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderMatch {
    pub key: HeaderKey,
    pub rule: HeaderRule,
    /// The verdict is turned round. A header that is missing still does not match, save for [`HeaderRule::Present`].
    pub invert: bool,
    /// A missing header counts as an empty one.
    pub missing_is_empty: bool,
}

impl HeaderMatch {
    /// `name` in any case.
    pub fn new(name: &str, rule: HeaderRule) -> Self {
        Self { key: HeaderKey::parse(name), rule, invert: false, missing_is_empty: false }
    }

    fn matches<R: RequestView + ?Sized>(&self, req: &R) -> bool {
        let mut joined = SmallVec::new();
        let found = self.key.value(req, &mut joined);
        let value = match found {
            Some(value) => value,
            None if self.missing_is_empty => &[],
            None => return matches!(self.rule, HeaderRule::Present(wanted) if wanted == self.invert),
        };
        let verdict = match &self.rule {
            HeaderRule::Present(wanted) => *wanted,
            HeaderRule::Range(range) => number(value).is_some_and(|n| range.contains(&n)),
            HeaderRule::Text(text) => text.matches(value),
        };
        verdict != self.invert
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.invert { "not: " } else { "" };
        write!(f, "{not}header {} ", self.key)?;
        match &self.rule {
            HeaderRule::Present(true) => f.write_str("is present"),
            HeaderRule::Present(false) => f.write_str("is absent"),
            HeaderRule::Range(range) => write!(f, "is a number from {} to below {}", range.start, range.end),
            HeaderRule::Text(text) => text.fmt(f),
        }
    }
}

/// Which header, resolved once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderKey {
    /// `:authority`, and `host`, which is the same thing.
    Authority,
    Method,
    /// Lower-case.
    Name(Arc<str>),
    Path,
    Scheme,
}

impl HeaderKey {
    /// A name in any case; pseudo headers with their colon.
    pub fn parse(name: &str) -> Self {
        match &*name.to_ascii_lowercase() {
            ":authority" | "host" => Self::Authority,
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":scheme" => Self::Scheme,
            name => Self::Name(name.into()),
        }
    }

    /// The value; several are joined by a comma in `joined`, as Envoy does.
    fn value<'a, R: RequestView + ?Sized>(
        &self,
        req: &'a R,
        joined: &'a mut SmallVec<[u8; JOINED]>,
    ) -> Option<&'a [u8]> {
        let present = |value: &'a [u8]| (!value.is_empty()).then_some(value);
        match self {
            Self::Authority => present(req.authority()),
            Self::Method => present(req.method()),
            Self::Path => present(req.path()),
            Self::Scheme => present(req.scheme()),
            Self::Name(name) => {
                let mut first = None;
                let mut count = 0usize;
                req.each_header(name, &mut |value| {
                    count += 1;
                    match (count, first) {
                        (2, Some(before)) => joined.extend_from_slice(before),
                        (1, _) => first = Some(value),
                        _ => {}
                    }
                    if count > 1 {
                        joined.push(b',');
                        joined.extend_from_slice(value);
                    }
                });
                if count > 1 { Some(joined) } else { first }
            }
        }
    }
}

impl fmt::Display for HeaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => ":authority",
            Self::Method => ":method",
            Self::Name(name) => name,
            Self::Path => ":path",
            Self::Scheme => ":scheme",
        })
    }
}

/// What is asked of a header's value.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderRule {
    /// There (`true`) or not there (`false`).
    Present(bool),
    /// A decimal integer within.
    Range(Range<i64>),
    Text(TextMatch),
}

/// A condition on a query parameter, as it stands in the path, not decoded. Of several with one name the first counts.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryMatch {
    /// Case-sensitive.
    pub name: Arc<str>,
    pub rule: QueryRule,
}

#[derive(Debug, Clone, PartialEq)]
pub enum QueryRule {
    /// There (`true`) or not there (`false`).
    Present(bool),
    Text(TextMatch),
}

impl QueryMatch {
    fn matches(&self, path: &[u8]) -> bool {
        match (&self.rule, query_value(path, self.name.as_bytes())) {
            (QueryRule::Present(wanted), value) => value.is_some() == *wanted,
            (QueryRule::Text(text), value) => value.is_some_and(|value| text.matches(value)),
        }
    }
}

impl fmt::Display for QueryMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query parameter {} ", self.name)?;
        match &self.rule {
            QueryRule::Present(true) => f.write_str("is present"),
            QueryRule::Present(false) => f.write_str("is absent"),
            QueryRule::Text(text) => text.fmt(f),
        }
    }
}

/// A share of traffic, drawn anew for each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    pub numerator: u32,
    /// 100, 10 000 or 1 000 000.
    pub denominator: u32,
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

/// Bytes of joined header values kept on the stack; matched headers with several values are rare and short.
const JOINED: usize = 256;

fn is_grpc<R: RequestView + ?Sized>(req: &R) -> bool {
    let Some(kind) = req.header("content-type") else { return false };
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// A signed decimal integer, blanks around it allowed, nothing else.
fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

fn query_value<'a>(path: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memchr(b'?', path)?;
    path[at + 1..].split(|byte| *byte == b'&').find_map(|pair| {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (&pair[..equals] == name).then(|| pair.get(equals + 1..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
