//! Collects broken rules in the webhook's phrases. Knows nothing of the rules.

use std::fmt::Display;

use crate::field_error::{FieldError, Invalid};
use crate::path::Path;

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    errors: Vec<FieldError>,
    warnings: Vec<FieldError>,
}

impl Checks {
    pub(crate) fn error(&mut self, message: impl Into<String>, at: &Path<'_>) {
        self.detailed(message, at, "");
    }

    pub(crate) fn detailed(&mut self, message: impl Into<String>, at: &Path<'_>, details: impl Into<String>) {
        let paths = vec![at.to_string()];
        self.errors.push(FieldError { message: message.into(), paths, details: details.into() });
    }

    pub(crate) fn warn(&mut self, message: impl Into<String>, at: &Path<'_>) {
        let paths = vec![at.to_string()];
        self.warnings.push(FieldError { message: message.into(), paths, details: String::new() });
    }

    pub(crate) fn missing(&mut self, at: &Path<'_>) {
        self.error("missing field(s)", at);
    }

    pub(crate) fn disallowed(&mut self, at: &Path<'_>) {
        self.error("must not set the field(s)", at);
    }

    pub(crate) fn invalid(&mut self, value: impl Display, at: &Path<'_>) {
        self.error(format!("invalid value: {value}"), at);
    }

    pub(crate) fn out_of_bounds(
        &mut self,
        low: impl Display,
        value: impl Display,
        high: impl Display,
        at: &Path<'_>,
    ) {
        self.error(format!("expected {low} <= {value} <= {high}"), at);
    }

    /// Exactly one of `fields` below `at` must be set, and `set` were.
    pub(crate) fn exactly_one(&mut self, fields: &[&str], set: &[&str], at: &Path<'_>) {
        let (message, fields) = match set.len() {
            0 => ("expected exactly one, got neither", fields),
            1 => return,
            _ => ("expected exactly one, got both", set),
        };
        let paths = fields.iter().map(|field| at.field(field).to_string()).collect();
        self.errors.push(FieldError { message: message.into(), paths, details: String::new() });
    }

    /// An error of several fields.
    pub(crate) fn among(&mut self, message: impl Into<String>, paths: Vec<String>) {
        self.errors.push(FieldError { message: message.into(), paths, details: String::new() });
    }

    /// The warnings if nothing is wrong; else the errors, equal ones merged, in the order of their words.
    pub(crate) fn finish(self) -> Result<Vec<FieldError>, Invalid> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        let mut merged: Vec<FieldError> = Vec::new();
        for error in self.errors {
            match merged.iter_mut().find(|m| m.message == error.message && m.details == error.details) {
                Some(same) => same.paths.extend(error.paths),
                None => merged.push(error),
            }
        }
        for error in &mut merged {
            error.paths.sort();
            error.paths.dedup();
        }
        merged.sort_by(|a, b| (&a.message, &a.details).cmp(&(&b.message, &b.details)));
        Err(Invalid(merged))
    }
}
