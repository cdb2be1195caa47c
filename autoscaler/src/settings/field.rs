//! What is wrong with annotations, worded as Knative's webhook words it. Knows nothing of what the values mean.

use std::fmt;

/// One broken rule and the annotations that break it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The rule.
    pub message: String,
    /// The annotations' names; a caller may put the path to them in front.
    pub paths: Vec<String>,
}

impl FieldError {
    pub(super) fn new(message: impl Into<String>, path: impl Into<String>) -> Self {
        Self { message: message.into(), paths: vec![path.into()] }
    }

    pub(super) fn invalid_value(value: &str, path: impl Into<String>) -> Self {
        Self::new(format!("invalid value: {value}"), path)
    }

    pub(super) fn out_of_bounds(
        value: impl fmt::Display,
        lower: impl fmt::Display,
        upper: impl fmt::Display,
        path: impl Into<String>,
    ) -> Self {
        Self::new(format!("expected {lower} <= {value} <= {upper}"), path)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.paths.join(", "))
    }
}

/// Everything that is wrong with a revision's scaling annotations; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// In the order the rules are checked.
    pub errors: Vec<FieldError>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
