//! Host and path rewriting. Knows nothing of when it is due.

use std::borrow::Cow;
use std::sync::Arc;

use regex_automata::meta::Regex;

use crate::matcher::PathMatch;
use crate::pattern::{self, InvalidPattern};
use crate::request::RequestView;

/// How the path changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRewrite {
    /// The part the route's path condition matched is replaced; the rest and the query stay.
    Prefix(Arc<str>),
    /// Every match in the path is replaced; the query stays.
    Regex(RegexRewrite),
}

impl PathRewrite {
    /// `path` with its query, rewritten; `matched` is the condition that let it in.
    pub(crate) fn apply(&self, path: &[u8], matched: &PathMatch) -> Vec<u8> {
        let bare = without_query(path);
        match self {
            Self::Prefix(to) => {
                let rest = &path[matched.matched_len(bare)..];
                [to.as_bytes(), rest].concat()
            }
            Self::Regex(rewrite) => {
                let mut out = rewrite.replace_all(bare);
                out.extend_from_slice(&path[bare.len()..]);
                out
            }
        }
    }
}

/// How the upstream `:authority` is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRewrite {
    /// The name of the endpoint that is chosen; the host stays when it has none.
    Endpoint,
    /// The value of a request header (lower-case name); the host stays when it is missing.
    Header(Arc<str>),
    /// Always this.
    Literal(Arc<str>),
    /// From the path without query, by substitution.
    Path(RegexRewrite),
}

impl HostRewrite {
    /// The new host; `None` = it stays.
    pub fn apply<'a, R: RequestView + ?Sized>(&'a self, req: &'a R) -> Option<Cow<'a, [u8]>> {
        match self {
            // Nobody knows yet which endpoint it will be.
            Self::Endpoint => None,
            Self::Header(name) => req.header(name).filter(|value| !value.is_empty()).map(Cow::Borrowed),
            Self::Literal(host) => Some(Cow::Borrowed(host.as_bytes())),
            Self::Path(rewrite) => Some(Cow::Owned(rewrite.replace_all(without_query(req.path())))),
        }
    }
}

/// A substitution in RE2's style: `\1` is the first group, `\0` the whole match, `\\` a backslash.
#[derive(Debug, Clone)]
pub struct RegexRewrite(Arc<Compiled>);

/// Behind a pointer: every route may have one, and nearly none has.
#[derive(Debug)]
struct Compiled {
    pattern: Box<str>,
    substitution: Box<str>,
    regex: Regex,
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Group(usize),
    Text(Box<[u8]>),
}

impl RegexRewrite {
    /// # Errors
    /// A bad expression, or a substitution that names a group the expression does not have.
    pub fn new(pattern: &str, substitution: &str) -> Result<Self, InvalidPattern> {
        let regex = pattern::compile(pattern)?;
        let parts = parts(substitution, regex.group_info().group_len(regex_automata::PatternID::ZERO))
            .map_err(|reason| InvalidPattern::new(pattern, reason))?;
        let (pattern, substitution, parts) = (pattern.into(), substitution.into(), parts.into());
        Ok(Self(Arc::new(Compiled { pattern, substitution, regex, parts })))
    }

    fn replace_all(&self, text: &[u8]) -> Vec<u8> {
        let Compiled { substitution, regex, parts, .. } = &*self.0;
        let mut out = Vec::with_capacity(text.len() + substitution.len());
        let mut from = 0;
        for found in regex.captures_iter(text) {
            let Some(whole) = found.get_match() else { continue };
            out.extend_from_slice(&text[from..whole.start()]);
            for part in parts {
                match part {
                    Part::Group(group) => {
                        out.extend_from_slice(
                            found.get_group(*group).map_or(&[][..], |span| &text[span.range()]),
                        );
                    }
                    Part::Text(literal) => out.extend_from_slice(literal),
                }
            }
            from = whole.end();
        }
        out.extend_from_slice(&text[from..]);
        out
    }
}

impl PartialEq for RegexRewrite {
    fn eq(&self, other: &Self) -> bool {
        self.0.pattern == other.0.pattern && self.0.substitution == other.0.substitution
    }
}

impl Eq for RegexRewrite {}

/// The path alone: all before the first `?` or `#`.
#[inline]
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    memchr::memchr2(b'?', b'#', path).map_or(path, |end| &path[..end])
}

fn parts(substitution: &str, groups: usize) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut bytes = substitution.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            text.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => text.push(b'\\'),
            Some(digit @ b'0'..=b'9') => {
                let group = usize::from(digit - b'0');
                if group >= groups {
                    return Err(format!(
                        "substitution {substitution:?} names group {group}, which does not exist"
                    ));
                }
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text).into()));
                }
                parts.push(Part::Group(group));
            }
            _ => {
                return Err(format!(
                    "substitution {substitution:?}: a backslash stands before a digit or a backslash"
                ));
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
