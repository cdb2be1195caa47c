//! `SubstitutionFormatString`: text or JSON in Envoy's format language, compiled. Knows not what is written in it.

use forebay_format::Format;
use forebay_proto::envoy::config::core::v3 as pb;
use forebay_proto::google::protobuf::{Struct, Value, value::Kind};
use serde_json::Value as Json;

use super::at::At;
use super::data_source::text;
use super::fields::fields;
use super::invalid::{Invalid, Rule};

/// A compiled format.
pub(crate) struct Read {
    pub(crate) format: Format,
    pub(crate) is_json: bool,
}

/// Compiles a format.
pub(crate) fn format(at: &At<'_>, message: &pb::SubstitutionFormatString) -> Result<Read, Invalid> {
    use pb::substitution_format_string::Format as Kind;
    fields!(at, message => pb::SubstitutionFormatString {
        read: [format, omit_empty_values],
        // Keys are always in order; the content type is read where there is one.
        harmless: [content_type, json_format_options],
        refused: [formatters],
    });
    let bad = |at: At<'_>, error: forebay_format::Invalid| at.refuse(Rule::BadFormat(error.to_string()));
    let (format, is_json) = match format {
        None => return Err(at.missing("format")),
        Some(Kind::TextFormat(written)) => {
            (parse(written).map_err(|e| bad(at.field("text_format"), e))?, false)
        }
        Some(Kind::TextFormatSource(source)) => {
            let at = at.field("text_format_source");
            (parse(&text(&at, source)?).map_err(|e| bad(at, e))?, false)
        }
        Some(Kind::JsonFormat(object)) => {
            (parse_json(&json(object)).map_err(|e| bad(at.field("json_format"), e))?, true)
        }
    };
    let format = if *omit_empty_values { format.omit_empty() } else { format };
    Ok(Read { format, is_json })
}

/// Compiles a text; says which of its operators print nothing.
pub(crate) fn parse(text: &str) -> Result<Format, forebay_format::Invalid> {
    tell_unwritten(text);
    Format::parse(text)
}

/// The same of an object.
pub(crate) fn parse_json(object: &Json) -> Result<Format, forebay_format::Invalid> {
    tell_unwritten(&object.to_string());
    Format::json(object)
}

fn tell_unwritten(format: &str) {
    let names = forebay_format::unwritten(format);
    if !names.is_empty() {
        let operators = names.join(", ");
        tracing::warn!(operators, "a format has operators that print `-` here, or UTC instead of local time");
    }
}

/// An object in the order of its keys, as Envoy writes it.
pub(crate) fn json(object: &Struct) -> Json {
    let mut fields: Vec<_> = object.fields.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    Json::Object(fields.into_iter().map(|(key, field)| (key.clone(), value(field))).collect())
}

fn value(of: &Value) -> Json {
    match &of.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(yes)) => Json::Bool(*yes),
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Json::from(*number as i64)
        }
        Some(Kind::NumberValue(number)) => Json::from(*number),
        Some(Kind::StringValue(text)) => Json::from(text.as_str()),
        Some(Kind::StructValue(object)) => json(object),
        Some(Kind::ListValue(list)) => Json::Array(list.values.iter().map(value).collect()),
    }
}
