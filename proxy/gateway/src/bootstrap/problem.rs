//! What is wrong with a bootstrap, and where. Knows nothing of files but their names.

use std::fmt;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the flag, in which it stands; empty for all of them together.
    pub source: String,
    /// From 1; 0 if it is about the whole.
    pub line: u32,
    /// From the root, such as `static_resources.clusters[0].name`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl Problem {
    pub(super) fn at(line: u32, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source: String::new(), line, path: path.into(), message: message.into() }
    }

    /// About no particular line.
    pub(super) fn whole(message: impl Into<String>) -> Self {
        Self::at(0, "", message)
    }

    pub(super) fn within(self, source: &str) -> Self {
        Self { source: source.to_owned(), ..self }
    }
}

impl fmt::Display for Problem {
    /// `FILE:LINE: PATH: MESSAGE`, without the parts that are not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.source.is_empty(), self.line) {
            (true, _) => {}
            (false, 0) => write!(f, "{}: ", self.source)?,
            (false, line) => write!(f, "{}:{line}: ", self.source)?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
