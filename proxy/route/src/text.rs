//! Text conditions: Envoy's `StringMatcher`.

use std::fmt;
use std::sync::Arc;

use memchr::memmem;

use crate::pattern::Pattern;

/// A condition on a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMatch {
    pub rule: TextRule,
    /// ASCII letters compare without case; does not touch [`TextRule::Regex`].
    pub ignore_case: bool,
}

/// What is compared, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextRule {
    Contains(Arc<str>),
    Exact(Arc<str>),
    Prefix(Arc<str>),
    Regex(Pattern),
    Suffix(Arc<str>),
}

impl TextMatch {
    /// Case-sensitive equality.
    pub fn exact(text: impl Into<Arc<str>>) -> Self {
        TextRule::Exact(text.into()).into()
    }

    #[inline]
    pub fn matches(&self, value: &[u8]) -> bool {
        let same = if self.ignore_case { <[u8]>::eq_ignore_ascii_case } else { <[u8] as PartialEq>::eq };
        match &self.rule {
            TextRule::Contains(part) if self.ignore_case => {
                part.is_empty()
                    || value.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
            }
            TextRule::Contains(part) => memmem::find(value, part.as_bytes()).is_some(),
            TextRule::Exact(text) => same(value, text.as_bytes()),
            TextRule::Prefix(text) => value.get(..text.len()).is_some_and(|head| same(head, text.as_bytes())),
            TextRule::Regex(pattern) => pattern.matches(value),
            TextRule::Suffix(text) => {
                value.len().checked_sub(text.len()).is_some_and(|at| same(&value[at..], text.as_bytes()))
            }
        }
    }
}

impl From<TextRule> for TextMatch {
    fn from(rule: TextRule) -> Self {
        Self { rule, ignore_case: false }
    }
}

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            TextRule::Contains(text) => write!(f, "contains {text:?}")?,
            TextRule::Exact(text) => write!(f, "is {text:?}")?,
            TextRule::Prefix(text) => write!(f, "begins with {text:?}")?,
            TextRule::Regex(pattern) => return write!(f, "matches {pattern:?}"),
            TextRule::Suffix(text) => write!(f, "ends with {text:?}")?,
        }
        if self.ignore_case { f.write_str(" (case ignored)") } else { Ok(()) }
    }
}
