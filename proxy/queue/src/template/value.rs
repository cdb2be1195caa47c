//! Values of a template, and what Go's language says of them: truth, order, how they print. Knows no syntax.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Data;
use super::format::float;

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nil,
    /// A pointer to nothing: it prints, where `Nil` is no value at all.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<[Value]>),
    /// In the order of its keys.
    Map(Rc<[(Rc<str>, Value)]>),
    /// Something that the data knows.
    Object(u32),
}

impl Value {
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// A number or text as `%v` prints it.
    pub(crate) fn show(&self) -> String {
        match self {
            Value::Float(n) => float(*n),
            Value::Int(n) => n.to_string(),
            Value::Text(text) => text.to_string(),
            _ => String::new(),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Value::Nil | Value::Null => false,
            Value::Bool(is) => *is,
            Value::Int(n) => *n != 0,
            Value::Float(n) => *n != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::List(all) => !all.is_empty(),
            Value::Map(all) => !all.is_empty(),
            Value::Object(_) => true,
        }
    }

    /// Go's `%v`.
    pub(crate) fn print(&self, data: &dyn Data) -> String {
        match self {
            Value::Nil | Value::Null => "<nil>".to_owned(),
            Value::Bool(is) => is.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Float(n) => float(*n),
            Value::Text(text) => text.to_string(),
            Value::List(all) => {
                let all: Vec<String> = all.iter().map(|one| one.print(data)).collect();
                format!("[{}]", all.join(" "))
            }
            Value::Map(all) => {
                let all: Vec<String> =
                    all.iter().map(|(key, value)| format!("{key}:{}", value.print(data))).collect();
                format!("map[{}]", all.join(" "))
            }
            Value::Object(object) => data.print(*object),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Nil | Value::Null => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) => "slice",
            Value::Map(_) => "map",
            Value::Object(_) => "struct",
        }
    }

    /// Order of two basic values of one kind.
    pub(super) fn compare(&self, other: &Value) -> Result<Ordering, String> {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
            (Value::Float(a), Value::Float(b)) => {
                a.partial_cmp(b).ok_or_else(|| "NaN has no order".to_owned())
            }
            (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
            (a, b) if a.kind() == b.kind() => Err("invalid type for comparison".to_owned()),
            _ => Err("incompatible types for comparison".to_owned()),
        }
    }

    pub(super) fn equals(&self, other: &Value) -> Result<bool, String> {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
            (Value::Nil | Value::Null, Value::Nil | Value::Null) => Ok(true),
            (Value::Nil, Value::Object(_)) | (Value::Object(_), Value::Nil) => Ok(false),
            _ => self.compare(other).map(Ordering::is_eq),
        }
    }
}
