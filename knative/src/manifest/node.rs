//! A document as a tree that remembers lines. Knows nothing of what the fields mean.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and the line it is told at: for a field, that of its name.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(Box<str>),
    List(Vec<Node>),
    /// In the order written; names are unique.
    Map(Vec<(Box<str>, Node)>),
}

impl Node {
    /// The field `name` of a mapping.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(fields) => fields.iter().find(|(key, _)| &**key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    /// The line of a path such as `spec.containers[0].image`, or of the nearest parent written here. Names may hold
    /// dots themselves (annotations do): the longest name that fits is taken.
    pub(super) fn line_of(&self, path: &str) -> u32 {
        let path = path.trim_start_matches('.');
        let child = if let Some(rest) = path.strip_prefix('[') {
            rest.split_once(']').and_then(|(index, rest)| match &self.value {
                Value::List(items) => items.get(index.parse::<usize>().ok()?).map(|node| (node, rest)),
                _ => self.get(index).map(|node| (node, rest)),
            })
        } else {
            let Value::Map(fields) = &self.value else { return self.line };
            let fits = fields.iter().filter_map(|(key, node)| {
                let rest = path.strip_prefix(&**key)?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some((key.len(), node, rest))
            });
            fits.max_by_key(|(len, _, _)| *len).map(|(_, node, rest)| (node, rest))
        };
        match child {
            Some((node, rest)) if !path.is_empty() => node.line_of(rest),
            _ => self.line,
        }
    }
}

impl Value {
    /// What Go would not tell from an absent field.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Null | Value::Bool(false) | Value::Signed(0) => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Map(fields) => fields.is_empty(),
            _ => false,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn line<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: line(&spanned), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Unsigned(value), Value::Signed))
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            let line = line(&name);
            fields.push((name.value.into(), Node { line, value: map.next_value()? }));
        }
        Ok(Value::Map(fields))
    }
}
