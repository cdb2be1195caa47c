//! The messages that JSON writes in a way of their own: times, wrappers, free-form values, `Any`. Knows no others.

use prost::Message;
use prost_reflect::prost_types::{Duration, FieldMask, Timestamp};
use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, Value as Pb};

use super::{Reader, scalar};
use crate::bootstrap::problem::Problem;
use crate::bootstrap::tree::{Node, Value};

/// The message, if it is one of these.
pub(super) fn message(
    reader: &Reader<'_>,
    descriptor: &MessageDescriptor,
    node: &Node,
    path: &str,
) -> Option<Result<DynamicMessage, Problem>> {
    let name = descriptor.full_name().strip_prefix("google.protobuf.")?;
    let text = || node.text().ok_or_else(|| expected(node, path, name));
    Some(match name {
        "Any" => reader.any(node, path).map(|(url, bytes)| {
            of(descriptor, [("type_url", Pb::String(url)), ("value", Pb::Bytes(bytes.into()))])
        }),
        "Duration" => text().and_then(|text| {
            let read = text.parse::<Duration>().ok().filter(|_| text.ends_with('s'));
            read.ok_or_else(|| expected(node, path, "a time in seconds such as 0.25s"))
                .and_then(|duration| transcode(descriptor, node, path, &duration))
        }),
        "Timestamp" => text().and_then(|text| {
            let read = text.parse::<Timestamp>();
            read.map_err(|_| expected(node, path, "a moment such as 2006-01-02T15:04:05Z"))
                .and_then(|moment| transcode(descriptor, node, path, &moment))
        }),
        "FieldMask" => text().and_then(|text| {
            let paths = text.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect();
            transcode(descriptor, node, path, &FieldMask { paths })
        }),
        "Struct" => fields(reader, descriptor, node, path),
        "ListValue" => list(reader, descriptor, node, path),
        "Value" => value(reader, descriptor, node, path),
        wrapper if WRAPPERS.contains(&wrapper) => {
            let kind = descriptor.get_field_by_name("value").map_or(Kind::Bool, |field| field.kind());
            scalar::read(&kind, node, path).map(|value| of(descriptor, [("value", value)]))
        }
        _ => return None,
    })
}

/// Whether [`message`] reads it.
pub(super) fn is_known(descriptor: &MessageDescriptor) -> bool {
    descriptor.full_name().strip_prefix("google.protobuf.").is_some_and(|name| {
        WRAPPERS.contains(&name)
            || ["Any", "Duration", "Timestamp", "FieldMask", "Struct", "ListValue", "Value"].contains(&name)
    })
}

/// Whether null is a value of it, not its absence.
pub(super) fn takes_null(kind: &Kind) -> bool {
    matches!(kind, Kind::Message(descriptor) if descriptor.full_name() == "google.protobuf.Value")
}

const WRAPPERS: [&str; 9] = [
    "BoolValue",
    "Int32Value",
    "Int64Value",
    "UInt32Value",
    "UInt64Value",
    "FloatValue",
    "DoubleValue",
    "StringValue",
    "BytesValue",
];

fn fields(
    reader: &Reader<'_>,
    descriptor: &MessageDescriptor,
    node: &Node,
    path: &str,
) -> Result<DynamicMessage, Problem> {
    let Value::Map(fields) = &node.value else { return Err(expected(node, path, "a mapping")) };
    let Some(Kind::Message(inner)) = nested(descriptor, "fields") else {
        return Err(expected(node, path, "a mapping"));
    };
    let entries = fields.iter().map(|(name, node)| {
        let path = format!("{path}[{name:?}]");
        Ok((MapKey::String(name.clone()), Pb::Message(value(reader, &inner, node, &path)?)))
    });
    Ok(of(descriptor, [("fields", Pb::Map(entries.collect::<Result<_, Problem>>()?))]))
}

fn list(
    reader: &Reader<'_>,
    descriptor: &MessageDescriptor,
    node: &Node,
    path: &str,
) -> Result<DynamicMessage, Problem> {
    let Some(Kind::Message(inner)) = descriptor.get_field_by_name("values").map(|field| field.kind()) else {
        return Err(expected(node, path, "a list"));
    };
    let items = node.items().iter().enumerate();
    let values =
        items.map(|(index, item)| value(reader, &inner, item, &format!("{path}[{index}]")).map(Pb::Message));
    Ok(of(descriptor, [("values", Pb::List(values.collect::<Result<_, _>>()?))]))
}

fn value(
    reader: &Reader<'_>,
    descriptor: &MessageDescriptor,
    node: &Node,
    path: &str,
) -> Result<DynamicMessage, Problem> {
    let inner = |field: &str| match descriptor.get_field_by_name(field).map(|field| field.kind()) {
        Some(Kind::Message(inner)) => Ok(inner),
        _ => Err(expected(node, path, "a value")),
    };
    let (field, value) = match &node.value {
        Value::Null => ("null_value", Pb::EnumNumber(0)),
        Value::Bool(value) => ("bool_value", Pb::Bool(*value)),
        Value::Signed(number) => ("number_value", Pb::F64(*number as f64)),
        Value::Unsigned(number) => ("number_value", Pb::F64(*number as f64)),
        Value::Float(number) => ("number_value", Pb::F64(*number)),
        Value::Text(text) => ("string_value", Pb::String(text.clone())),
        Value::List(_) => ("list_value", Pb::Message(list(reader, &inner("list_value")?, node, path)?)),
        Value::Map(_) => ("struct_value", Pb::Message(fields(reader, &inner("struct_value")?, node, path)?)),
    };
    Ok(of(descriptor, [(field, value)]))
}

/// The kind of a map's values.
fn nested(descriptor: &MessageDescriptor, field: &str) -> Option<Kind> {
    match descriptor.get_field_by_name(field)?.kind() {
        Kind::Message(entry) => Some(entry.map_entry_value_field().kind()),
        _ => None,
    }
}

fn of<const N: usize>(descriptor: &MessageDescriptor, fields: [(&str, Pb); N]) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (name, value) in fields {
        message.set_field_by_name(name, value);
    }
    message
}

fn transcode(
    descriptor: &MessageDescriptor,
    node: &Node,
    path: &str,
    message: &impl Message,
) -> Result<DynamicMessage, Problem> {
    DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice())
        .map_err(|error| Problem::at(node.line, path, error.to_string()))
}

fn expected(node: &Node, path: &str, what: &str) -> Problem {
    Problem::at(node.line, path, format!("expected {what}, found {}", node.value))
}
