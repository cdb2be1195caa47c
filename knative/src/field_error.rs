//! What is wrong with an object, worded as Knative's webhook words it, with the path of every field concerned.
//! Knows nothing of objects, files or lines.

use std::fmt;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub message: String,
    /// From the object's root, such as `spec.template.spec.containers[0].image`. Sorted.
    pub paths: Vec<String>,
    /// A longer explanation, or empty.
    pub details: String,
}

/// Why an object was refused; what was stored before stays as it is. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Vec<FieldError>);

impl fmt::Display for FieldError {
    /// `message: path, path`, and the details after it in parentheses: one line a person can read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.paths.is_empty() {
            write!(f, ": {}", self.paths.join(", "))?;
        }
        if !self.details.is_empty() {
            write!(f, " ({})", self.details)?;
        }
        Ok(())
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
