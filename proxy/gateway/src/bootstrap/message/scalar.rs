//! Scalars and enumerations. Knows no messages.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{Kind, Value as Pb};

use crate::bootstrap::problem::Problem;
use crate::bootstrap::tree::{Node, Value};

/// The value of `kind` that `node` is.
pub(super) fn read(kind: &Kind, node: &Node, path: &str) -> Result<Pb, Problem> {
    let wrong =
        |what: &dyn Display| Problem::at(node.line, path, format!("expected {what}, found {}", node.value));
    let signed = |min: i64, max: i64| {
        let number = whole(&node.value).and_then(|n| i64::try_from(n).ok());
        number
            .filter(|n| (min..=max).contains(n))
            .ok_or_else(|| wrong(&format_args!("a number from {min} to {max}")))
    };
    let unsigned = |max: u64| {
        let number = whole(&node.value).and_then(|n| u64::try_from(n).ok());
        number.filter(|n| *n <= max).ok_or_else(|| wrong(&format_args!("a number from 0 to {max}")))
    };
    let float = || match &node.value {
        Value::Signed(n) => Ok(*n as f64),
        Value::Unsigned(n) => Ok(*n as f64),
        Value::Float(n) => Ok(*n),
        Value::Text(text) => text.parse().map_err(|_| wrong(&"a number")),
        _ => Err(wrong(&"a number")),
    };
    let text = || node.text().ok_or_else(|| wrong(&"text"));
    Ok(match kind {
        Kind::Bool => match &node.value {
            Value::Bool(value) => Pb::Bool(*value),
            Value::Text(text) if text == "true" => Pb::Bool(true),
            Value::Text(text) if text == "false" => Pb::Bool(false),
            _ => return Err(wrong(&"true or false")),
        },
        // Both casts keep the number: it was just checked.
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Pb::I32(signed(i32::MIN.into(), i32::MAX.into())? as i32)
        }
        Kind::Uint32 | Kind::Fixed32 => Pb::U32(unsigned(u32::MAX.into())? as u32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Pb::I64(signed(i64::MIN, i64::MAX)?),
        Kind::Uint64 | Kind::Fixed64 => Pb::U64(unsigned(u64::MAX)?),
        Kind::Float => Pb::F32(float()? as f32),
        Kind::Double => Pb::F64(float()?),
        Kind::String => Pb::String(text()?.to_owned()),
        Kind::Bytes => {
            let text = text()?.replace('-', "+").replace('_', "/");
            let bytes = BASE64
                .decode(text.as_bytes())
                .map_err(|error| Problem::at(node.line, path, format!("not base64: {error}")))?;
            Pb::Bytes(bytes.into())
        }
        Kind::Enum(all) => {
            let found = match (&node.value, whole(&node.value)) {
                (_, Some(number)) => i32::try_from(number).ok().filter(|n| all.get_value(*n).is_some()),
                (Value::Text(name), None) => all
                    .values()
                    .find(|value| value.name().eq_ignore_ascii_case(name))
                    .map(|value| value.number()),
                _ => None,
            };
            let names = || all.values().map(|value| value.name().to_owned()).collect::<Vec<_>>().join(", ");
            Pb::EnumNumber(found.ok_or_else(|| wrong(&format_args!("one of {}", names())))?)
        }
        Kind::Message(_) => return Err(wrong(&"no message")),
    })
}

/// A whole number, however it is written; JSON has large ones as text.
fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Signed(number) => Some((*number).into()),
        Value::Unsigned(number) => Some((*number).into()),
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e18 => Some(*number as i128),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// With or without padding, as protobuf reads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
