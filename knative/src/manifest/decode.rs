//! From a tree to typed drafts, with the path and line of every mistake, and a warning for every field nobody asked for.
//! Knows nothing of the drafts themselves: it is a serde `Deserializer`.
//!
//! As in Kubernetes, `null` stands for the empty value of whatever is expected, numbers are not strings, and unknown
//! fields are told, not refused.

mod wrong;

use std::cell::RefCell;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Problem;
use super::draft::{Extra, extra};
use super::node::{Node, Value};
use crate::path::Path;
use wrong::{Found, Wrong};

/// One value on its way into a type.
///
/// `'p` is the stack of parents, `'n` the tree, from which text is borrowed.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'p, 'n> {
    line: u32,
    value: &'n Value,
    path: Path<'p>,
    warnings: &'p RefCell<Vec<Problem>>,
}

impl<'p, 'n> Decoder<'p, 'n> {
    pub(super) fn new(node: &'n Node, warnings: &'p RefCell<Vec<Problem>>) -> Self {
        Self { line: node.line, value: &node.value, path: Path::Root, warnings }
    }

    /// The field `name` of a mapping, as text.
    pub(super) fn text(&self, name: &str) -> Option<&'n str> {
        match self.value {
            Value::Map(fields) => {
                fields.iter().find(|(key, _)| &**key == name).and_then(|(_, node)| node.value.as_text())
            }
            _ => None,
        }
    }

    /// A problem here, or at the field `name` of this if one is given.
    pub(super) fn problem(&self, name: &str, message: String) -> Problem {
        let line = match self.value {
            Value::Map(fields) => fields.iter().find(|(key, _)| &**key == name).map(|(_, node)| node.line),
            _ => None,
        };
        let path = if name.is_empty() { self.path.to_string() } else { self.path.field(name).to_string() };
        Problem { line: line.unwrap_or(self.line), path, message }
    }

    fn expected(&self, what: &str) -> Wrong {
        Wrong::new(format!("expected {what}, found {}", Found(self.value))).at(self)
    }
}

impl<'n> Deserializer<'n> for Decoder<'_, 'n> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
        }
        .map_err(|wrong: Wrong| wrong.at(&self))
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_string<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Value::Null => visitor.visit_borrowed_str(""),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Bool(_) | Value::Signed(_) | Value::Unsigned(_) | Value::Float(_) => {
                return Err(self.expected("a string (in quotes)"));
            }
            _ => return Err(self.expected("a string")),
        }
        .map_err(|wrong: Wrong| wrong.at(&self))
    }

    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_string(visitor)
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let items: &[_] = match self.value {
            Value::Null => &[],
            Value::List(items) => items,
            _ => return Err(self.expected("a list")),
        };
        visitor
            .visit_seq(Items { parent: self, items: items.iter().enumerate() })
            .map_err(|wrong| wrong.at(&self))
    }

    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.fields(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.fields(Some((name, known)), visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        <V: Visitor<'n>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier
    }
}

impl<'n> Decoder<'_, 'n> {
    fn fields<V: Visitor<'n>>(self, target: Option<Target>, visitor: V) -> Result<V::Value, Wrong> {
        let fields: &[_] = match self.value {
            Value::Null => &[],
            Value::Map(fields) => fields,
            _ => return Err(self.expected("a mapping")),
        };
        visitor
            .visit_map(Fields { parent: self, target, fields: fields.iter(), value: None })
            .map_err(|wrong| wrong.at(&self))
    }

    fn child<'c>(&'c self, node: &'n Node, path: Path<'c>) -> Decoder<'c, 'n> {
        Decoder { line: node.line, value: &node.value, path, warnings: self.warnings }
    }
}

/// The name of a draft's type, and the fields it has.
type Target = (&'static str, &'static [&'static str]);

struct Items<'p, 'n> {
    parent: Decoder<'p, 'n>,
    items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
}

impl<'n> SeqAccess<'n> for Items<'_, 'n> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let child = self.parent.child(node, self.parent.path.item(index));
        seed.deserialize(child).map(Some).map_err(|wrong| wrong.at(&child))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'p, 'n> {
    parent: Decoder<'p, 'n>,
    /// None if any name is welcome.
    target: Option<Target>,
    fields: std::slice::Iter<'n, (Box<str>, Node)>,
    value: Option<(&'n str, &'n Node)>,
}

impl<'n> Fields<'_, 'n> {
    /// A field the draft does not have.
    fn extra(&self, draft: &str, name: &str, node: &'n Node) -> Result<(), Wrong> {
        let at = self.parent.child(node, self.parent.path.field(name));
        let message = match extra(draft, name) {
            Extra::Silent => return Ok(()),
            Extra::WithoutEffect | Extra::Forbidden if node.value.is_zero() => return Ok(()),
            Extra::Forbidden => return Err(Wrong::new("must not set the field(s)".into()).at(&at)),
            Extra::WithoutEffect => format!("field {:?} has no effect on this platform", at.path.to_string()),
            Extra::Unknown => format!("unknown field {:?}", at.path.to_string()),
        };
        self.parent.warnings.borrow_mut().push(Problem {
            line: node.line,
            path: at.path.to_string(),
            message,
        });
        Ok(())
    }
}

impl<'n> MapAccess<'n> for Fields<'_, 'n> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'n>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        while let Some((name, node)) = self.fields.next() {
            if let Some((draft, known)) = self.target
                && !known.contains(&&**name)
            {
                self.extra(draft, name, node)?;
                continue;
            }
            self.value = Some((name, node));
            return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        let Some((name, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        let child = self.parent.child(node, self.parent.path.field(name));
        seed.deserialize(child).map_err(|wrong| wrong.at(&child))
    }
}
