//! What is wrong with a value, in words, and where. Knows nothing of what the value is for.

use std::fmt;

use serde::de::{self, Unexpected};

use super::Decoder;
use crate::manifest::Problem;
use crate::manifest::node::Value;

/// A mistake; the innermost value it passed is where it is.
#[derive(Debug)]
pub(in super::super) struct Wrong {
    message: String,
    at: Option<(u32, String)>,
}

impl Wrong {
    pub(super) fn new(message: String) -> Self {
        Self { message, at: None }
    }

    pub(super) fn at(mut self, decoder: &Decoder<'_, '_>) -> Self {
        self.at.get_or_insert_with(|| (decoder.line, decoder.path.to_string()));
        self
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        let (line, path) = wrong.at.unwrap_or_default();
        Self { line, path, message: wrong.message }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("expected {}, found {found}", Plain(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("expected {}, found {found}", Plain(expected)))
    }
}

/// serde's name of an expected type in words.
struct Plain<'a>(&'a dyn de::Expected);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_string().as_str() {
            "i64" | "u64" | "i32" | "u32" => f.write_str("a whole number"),
            "a boolean" => f.write_str("true or false"),
            other => f.write_str(other),
        }
    }
}

/// A value in words.
pub(super) struct Found<'a>(pub(super) &'a Value);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("nothing"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Signed(value) => write!(f, "the number {value}"),
            Value::Unsigned(value) => write!(f, "the number {value}"),
            Value::Float(value) => write!(f, "the number {value}"),
            Value::Text(text) => write!(f, "the text {text:?}"),
            Value::List(_) => f.write_str("a list"),
            Value::Map(_) => f.write_str("a mapping"),
        }
    }
}
