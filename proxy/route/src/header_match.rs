//! Conditions on headers and pseudo headers: Envoy's `HeaderMatcher`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::request::RequestView;
use crate::text::TextMatch;

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

    /// Whether the request meets it.
    pub fn matches<R: RequestView + ?Sized>(&self, req: &R) -> bool {
        let meets = |value: &[u8]| match &self.rule {
            HeaderRule::Present(wanted) => *wanted,
            HeaderRule::Range(range) => number(value).is_some_and(|n| range.contains(&n)),
            HeaderRule::Text(text) => text.matches(value),
        };
        // Of several values one is enough; each is looked at by itself.
        let mut found = None;
        self.key.each(req, &mut |value| found = Some(found.unwrap_or(false) || meets(value)));
        let verdict = match found {
            Some(verdict) => verdict,
            None if self.missing_is_empty => meets(&[]),
            None => return matches!(self.rule, HeaderRule::Present(wanted) if wanted == self.invert),
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

    /// Each value there is.
    fn each<'a, R: RequestView + ?Sized>(&self, req: &'a R, tell: &mut dyn FnMut(&'a [u8])) {
        let one = match self {
            Self::Authority => req.authority(),
            Self::Method => req.method(),
            Self::Path => req.path(),
            Self::Scheme => req.scheme(),
            Self::Name(name) => return req.each_header(name, tell),
        };
        if !one.is_empty() {
            tell(one);
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

/// A signed decimal integer, blanks around it allowed, nothing else.
fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
