//! Conditions on query parameters: Envoy's `QueryParameterMatcher`.

use std::fmt;
use std::sync::Arc;

use crate::text::TextMatch;

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
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
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

fn query_value<'a>(path: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memchr(b'?', path)?;
    path[at + 1..].split(|byte| *byte == b'&').find_map(|pair| {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (&pair[..equals] == name).then(|| pair.get(equals + 1..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests;
