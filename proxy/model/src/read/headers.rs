//! Header operations: the four lists that routes, hosts, splits and whole configurations have.

use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as core;
use forebay_route::{HeaderAdd, HeaderAddAction, HeaderLists, HeaderOps, Value};

use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::{choice, each};
use crate::names::Names;

/// The four lists of one message.
pub(crate) struct Lists<'p> {
    pub(crate) request_add: &'p [core::HeaderValueOption],
    pub(crate) request_remove: &'p [String],
    pub(crate) response_add: &'p [core::HeaderValueOption],
    pub(crate) response_remove: &'p [String],
}

/// Reads the four lists.
pub(crate) fn header_ops(at: &At<'_>, lists: Lists<'_>, names: &mut Names) -> Result<HeaderOps, Invalid> {
    let lists = HeaderLists {
        request_add: adds(&at.field("request_headers_to_add"), lists.request_add, names)?.into(),
        request_remove: removes(&at.field("request_headers_to_remove"), lists.request_remove, names)?.into(),
        response_add: adds(&at.field("response_headers_to_add"), lists.response_add, names)?.into(),
        response_remove: removes(&at.field("response_headers_to_remove"), lists.response_remove, names)?
            .into(),
    };
    Ok(lists.into())
}

pub(crate) fn adds(
    at: &At<'_>,
    options: &[core::HeaderValueOption],
    names: &mut Names,
) -> Result<Vec<HeaderAdd>, Invalid> {
    let mut adds = Vec::with_capacity(options.len());
    for (index, option) in options.iter().enumerate() {
        adds.extend(add(&at.index(index), option, names)?);
    }
    Ok(adds)
}

pub(crate) fn add(
    at: &At<'_>,
    option: &core::HeaderValueOption,
    names: &mut Names,
) -> Result<Option<HeaderAdd>, Invalid> {
    fields!(at, option => core::HeaderValueOption {
        read: [header, append, append_action, keep_empty_value],
        harmless: [],
        refused: [],
    });
    let Some(header) = header else { return Err(at.missing("header")) };
    let (name, value, empty) = header_value(&at.field("header"), header, names)?;
    let action = match choice(at.field("append_action"), *append_action)? {
        core::header_value_option::HeaderAppendAction::AppendIfExistsOrAdd => HeaderAddAction::Append,
        core::header_value_option::HeaderAppendAction::AddIfAbsent => HeaderAddAction::AddIfAbsent,
        core::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd => HeaderAddAction::Overwrite,
        core::header_value_option::HeaderAppendAction::OverwriteIfExists => {
            HeaderAddAction::OverwriteIfExists
        }
    };
    // The older flag says less and wins where it is there, as in Envoy.
    let action = match append {
        Some(append) if append.value => HeaderAddAction::Append,
        Some(_) => HeaderAddAction::Overwrite,
        None => action,
    };
    // Without the flag an empty value adds nothing, whatever the action.
    let keep_empty = *keep_empty_value;
    Ok((keep_empty || !empty).then_some(HeaderAdd { name, value, action, keep_empty }))
}

/// A name, its value, and whether the value is empty.
pub(crate) fn header_value(
    at: &At<'_>,
    header: &core::HeaderValue,
    names: &mut Names,
) -> Result<(Arc<str>, Value, bool), Invalid> {
    fields!(at, header => core::HeaderValue {
        read: [key, value, raw_value],
        harmless: [],
        refused: [],
    });
    let name = header_name(&at.field("key"), key, names)?;
    let at_value = at.field("value");
    let text = if raw_value.is_empty() {
        value.as_str()
    } else {
        std::str::from_utf8(raw_value).map_err(|_| at.field("raw_value").unsupported(raw_value))?
    };
    if text.bytes().any(|b| (b < b' ' && b != b'\t') || b == 0x7f) {
        return Err(at_value.refuse(Rule::BadHeaderValue(text.to_owned())));
    }
    let value = match Value::parse(text).map_err(|e| at_value.refuse(Rule::BadFormat(e.to_string())))? {
        Value::Literal(literal) => Value::Literal(names.text(&literal)),
        format => format,
    };
    Ok((name, value, text.is_empty()))
}

fn removes(at: &At<'_>, list: &[String], names: &mut Names) -> Result<Vec<Arc<str>>, Invalid> {
    each(at, list, |at, name| header_name(at, name, names))
}

/// A header that may be changed by name, in lower case: a token, and neither `host` nor a pseudo header, which only
/// rewriting may touch.
pub(crate) fn header_name(at: &At<'_>, name: &str, names: &mut Names) -> Result<Arc<str>, Invalid> {
    let lower = name.to_ascii_lowercase();
    if !is_token(&lower) || lower == "host" {
        return Err(at.refuse(Rule::BadHeaderName(name.to_owned())));
    }
    Ok(names.text(&lower))
}

/// RFC 9110's `token`.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
