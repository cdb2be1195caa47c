//! Regular expressions as Envoy means them: RE2's language, the whole text, bounded in size.

use std::fmt;
use std::sync::Arc;

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;

/// A compiled expression that matches whole texts only. Equal when the text is.
///
/// A search borrows scratch space from a pool that never blocks: a thread that finds the pool busy makes its own.
#[derive(Clone)]
pub struct Pattern(Arc<Compiled>);

/// Behind a pointer: what may be a pattern mostly is a text, and there are thousands.
struct Compiled {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// # Errors
    /// A text that is no expression, or one whose program would be larger than [`Pattern::SIZE_LIMIT`].
    pub fn new(text: &str) -> Result<Self, InvalidPattern> {
        compile(text)?; // on its own first: "a)(b" must not become right by being wrapped
        // An expression that ends inside a comment of `(?x)` swallows what follows; a line end closes the comment.
        let regex =
            compile(&format!(r"\A(?:{text})\z")).or_else(|_| compile(&format!("\\A(?:{text}\n)\\z")))?;
        Ok(Self(Arc::new(Compiled { text: text.into(), regex })))
    }

    /// 1 MiB of program: far above any path expression met in practice (a few KiB), far below what would hurt.
    pub const SIZE_LIMIT: usize = 1 << 20;

    /// Whether the whole of `text` matches.
    #[inline]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.regex.is_match(text)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0.text)
    }
}

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("regex {text:?}: {reason}")]
pub struct InvalidPattern {
    text: String,
    reason: String,
}

impl InvalidPattern {
    pub(crate) fn new(text: &str, reason: impl Into<String>) -> Self {
        Self { text: text.to_owned(), reason: reason.into() }
    }
}

/// Bytes and ASCII classes as in RE2 (`\d` is `[0-9]`); Unicode only where the expression asks for it (`\pL`, `[é]`).
pub(crate) fn compile(text: &str) -> Result<Regex, InvalidPattern> {
    compile_as(text, false).or_else(|_| compile_as(text, true))
}

fn compile_as(text: &str, unicode: bool) -> Result<Regex, InvalidPattern> {
    let built = Regex::builder()
        .configure(Config::new().nfa_size_limit(Some(Pattern::SIZE_LIMIT)).utf8_empty(false))
        .syntax(syntax::Config::new().unicode(unicode).utf8(false))
        .build(text);
    built.map_err(|error| {
        let reason = match (error.size_limit(), error.syntax_error()) {
            (Some(limit), _) => format!("its program would be larger than {limit} bytes"),
            // The error draws the expression over several lines; the last one says what is wrong.
            (None, Some(syntax)) => {
                let drawn = syntax.to_string();
                drawn.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            (None, None) => error.to_string(),
        };
        InvalidPattern::new(text, reason)
    })
}

#[cfg(test)]
mod tests;
