//! From a tree to protobuf, as protobuf's JSON mapping has it and as leniently as Envoy reads it: names in either case, one
//! item without a list, enumerations in any case, numbers as text. Every mistake has a path and a line. Knows no particular
//! message but those that JSON writes in a way of their own.

mod known;
mod scalar;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Pb,
};

use super::problem::Problem;
use super::tree::{Node, Value};

/// Reads messages of one vocabulary.
pub(super) struct Reader<'p> {
    pub(super) pool: &'p DescriptorPool,
}

impl Reader<'_> {
    /// The message that `node` is.
    pub(super) fn message(
        &self,
        descriptor: &MessageDescriptor,
        node: &Node,
        path: &str,
    ) -> Result<DynamicMessage, Problem> {
        match known::message(self, descriptor, node, path) {
            Some(known) => known,
            None => self.plain(descriptor, node, path, &[]),
        }
    }

    /// A message that is a mapping of its fields, but for those named in `skip`.
    fn plain(
        &self,
        descriptor: &MessageDescriptor,
        node: &Node,
        path: &str,
        skip: &[&str],
    ) -> Result<DynamicMessage, Problem> {
        let mut message = DynamicMessage::new(descriptor.clone());
        let Value::Map(fields) = &node.value else {
            let found = &node.value;
            return Err(Problem::at(
                node.line,
                path,
                format!("expected a {}, found {found}", descriptor.name()),
            ));
        };
        for (name, node) in fields.iter().filter(|(name, _)| !skip.contains(&name.as_str())) {
            let found =
                descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
            let Some(field) = found else {
                let message = format!("{} has no field {name:?}", descriptor.full_name());
                return Err(Problem::at(node.line, path, message));
            };
            let path = &join(path, field.name());
            // As in JSON: an explicit null is a field left out, but for the type whose value it is.
            if matches!(node.value, Value::Null) && !known::takes_null(&field.kind()) {
                continue;
            }
            if message.has_field(&field) {
                return Err(Problem::at(node.line, path, "is there twice, in two spellings"));
            }
            if let Some(oneof) = field.containing_oneof()
                && let Some(other) = oneof.fields().find(|other| message.has_field(other))
            {
                let message = format!("cannot be there together with {}", other.name());
                return Err(Problem::at(node.line, path, message));
            }
            let value = self.field(&field, node, path)?;
            message.set_field(&field, value);
        }
        Ok(message)
    }

    fn field(&self, field: &FieldDescriptor, node: &Node, path: &str) -> Result<Pb, Problem> {
        if field.is_map() {
            return self.map(field, node, path);
        }
        if !field.is_list() {
            return self.value(&field.kind(), node, path);
        }
        let items = node.items().iter().enumerate();
        let read = items.map(|(index, item)| self.value(&field.kind(), item, &format!("{path}[{index}]")));
        Ok(Pb::List(read.collect::<Result<_, _>>()?))
    }

    fn map(&self, field: &FieldDescriptor, node: &Node, path: &str) -> Result<Pb, Problem> {
        let Kind::Message(entry) = field.kind() else {
            return Err(Problem::at(node.line, path, "is no map"));
        };
        let Value::Map(fields) = &node.value else {
            return Err(Problem::at(node.line, path, format!("expected a mapping, found {}", node.value)));
        };
        let (key_kind, value_kind) =
            (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let entries = fields.iter().map(|(name, node)| {
            let path = format!("{path}[{name:?}]");
            let written = Node { line: node.line, value: Value::Text(name.clone()) };
            let key = match scalar::read(&key_kind, &written, &path)? {
                Pb::Bool(key) => MapKey::Bool(key),
                Pb::I32(key) => MapKey::I32(key),
                Pb::I64(key) => MapKey::I64(key),
                Pb::U32(key) => MapKey::U32(key),
                Pb::U64(key) => MapKey::U64(key),
                _ => MapKey::String(name.clone()),
            };
            Ok((key, self.value(&value_kind, node, &path)?))
        });
        Ok(Pb::Map(entries.collect::<Result<_, Problem>>()?))
    }

    fn value(&self, kind: &Kind, node: &Node, path: &str) -> Result<Pb, Problem> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor, node, path).map(Pb::Message),
            other => scalar::read(other, node, path),
        }
    }

    /// The content of an `Any`, by its `@type`.
    pub(super) fn any(&self, node: &Node, path: &str) -> Result<(String, Vec<u8>), Problem> {
        let Some(said) = node.get(TYPE) else {
            return Err(Problem::at(node.line, path, "has no \"@type\""));
        };
        let url = said.text().unwrap_or_default();
        let name = url.rsplit('/').next().unwrap_or_default();
        let Some(descriptor) = self.pool.get_message_by_name(name) else {
            let old = name.contains(".v2.") || name.contains(".v2alpha.");
            let why = if old { "is of Envoy's API v2, which ended in 2021" } else { "is not supported" };
            return Err(Problem::at(said.line, join(path, TYPE), format!("extension type {url:?} {why}")));
        };
        let message = if known::is_known(&descriptor) {
            let null = Node { line: node.line, value: Value::Null };
            self.message(&descriptor, node.get("value").unwrap_or(&null), &join(path, "value"))?
        } else {
            self.plain(&descriptor, node, path, &[TYPE])?
        };
        Ok((url.to_owned(), message.encode_to_vec()))
    }
}

/// The field of an `Any` that names its type.
const TYPE: &str = "@type";

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}
