//! YAML or JSON as a tree that remembers lines. Knows nothing of what the fields mean.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::problem::Problem;

/// Nesting a bootstrap may have, lists and mappings together; `Any` in `Any` in a route needs about 30.
const MAX_DEPTH: usize = 100;
/// Nodes and events a small file may have. A large one may have as many as it has bytes, and without aliases cannot have more;
/// those are counted by themselves.
const MAX_NODES: usize = 5_000_000;
/// Nodes that aliases may repeat over the whole file. People share a block or two; a bomb wants millions.
const MAX_REPEATED: usize = 100_000;

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
    Text(String),
    List(Vec<Node>),
    /// In the order written; names are unique.
    Map(Vec<(String, Node)>),
}

/// The one document of `text`; `None` if there is nothing in it.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Problem> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_nodes: MAX_NODES.max(text.len()),
            max_events: MAX_NODES.max(text.len()),
            max_recorded_anchor_events: MAX_REPEATED,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
        strict_booleans: true,
        with_snippet: false,
    };
    let text = text.trim_start_matches('\u{feff}');
    let documents: Vec<Node> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |at| u32::try_from(at.line()).unwrap_or(u32::MAX));
        let message = error.to_string();
        let message = message.split('\n').next().unwrap_or_default();
        let end = message.rfind(" at line ").unwrap_or(message.len());
        Problem::at(line, "", format!("not YAML: {}", &message[..end]))
    })?;
    Ok(documents.into_iter().find(|node| !matches!(node.value, Value::Null)))
}

impl Node {
    /// The field `name` of a mapping.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.fields().iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// The fields of a mapping; none of anything else.
    pub(super) fn fields(&self) -> &[(String, Node)] {
        match &self.value {
            Value::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The items of a list; of anything else itself, since one item may be written without a list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The line of a path such as `static_resources.clusters[0].name`, or of the nearest parent that is written.
    pub(super) fn line_of(&self, path: &str) -> u32 {
        let path = path.trim_start_matches('.');
        if path.is_empty() {
            return self.line;
        }
        let child = if let Some(rest) = path.strip_prefix('[') {
            rest.split_once(']').and_then(|(index, rest)| {
                let key = index.trim_matches('"');
                let item = index.parse::<usize>().ok().and_then(|index| self.items().get(index));
                item.or_else(|| self.get(key)).map(|node| (node, rest))
            })
        } else if matches!(self.value, Value::List(_)) {
            return self.line;
        } else {
            let end = path.find(['.', '[']).unwrap_or(path.len());
            let (name, rest) = path.split_at(end);
            self.fields().iter().find(|(key, _)| same_field(key, name)).map(|(_, node)| (node, rest))
        };
        child.map_or(self.line, |(node, rest)| node.line_of(rest))
    }
}

/// Whether `written`, in snake or in camel case, is the field `name`, in snake case.
fn same_field(written: &str, name: &str) -> bool {
    let without = |text: &str| text.chars().filter(|c| *c != '_').collect::<String>();
    written == name || (!written.contains('_') && without(written).eq_ignore_ascii_case(&without(name)))
}

impl fmt::Display for Value {
    /// What it is, for people: `the number 5`, `a mapping`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("nothing"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Signed(value) => write!(f, "the number {value}"),
            Value::Unsigned(value) => write!(f, "the number {value}"),
            Value::Float(value) => write!(f, "the number {value}"),
            Value::Text(text) if text.len() <= 80 => write!(f, "{text:?}"),
            Value::Text(_) => f.write_str("a long text"),
            Value::List(_) => f.write_str("a list"),
            Value::Map(_) => f.write_str("a mapping"),
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
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
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
            fields.push((name.value, Node { line, value: map.next_value()? }));
        }
        Ok(Value::Map(fields))
    }
}
