//! `DataSource`: bytes in the configuration itself, in a file or in the environment, read once. Knows not what they are for.

use std::borrow::Cow;

use forebay_proto::envoy::config::core::v3 as pb;

use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};

/// The bytes.
pub(crate) fn bytes<'s>(at: &At<'_>, source: &'s pb::DataSource) -> Result<Cow<'s, [u8]>, Invalid> {
    use pb::data_source::Specifier::{EnvironmentVariable, Filename, InlineBytes, InlineString};
    fields!(at, source => pb::DataSource { read: [specifier], harmless: [], refused: [watched_directory] });
    let unreadable =
        |at: At<'_>, error: &dyn std::fmt::Display| at.refuse(Rule::Unreadable(error.to_string()));
    match specifier {
        Some(InlineString(text)) => Ok(Cow::Borrowed(text.as_bytes())),
        Some(InlineBytes(bytes)) => Ok(Cow::Borrowed(bytes)),
        Some(Filename(path)) => std::fs::read(path)
            .map(Cow::Owned)
            .map_err(|error| unreadable(at.field("filename"), &format_args!("{path:?}: {error}"))),
        Some(EnvironmentVariable(name)) => {
            std::env::var(name).map(|value| Cow::Owned(value.into_bytes())).map_err(|error| {
                unreadable(at.field("environment_variable"), &format_args!("{name:?}: {error}"))
            })
        }
        None => Err(at.missing("specifier")),
    }
}

/// The same as text.
pub(crate) fn text<'s>(at: &At<'_>, source: &'s pb::DataSource) -> Result<Cow<'s, str>, Invalid> {
    let no_text = || at.refuse(Rule::Unreadable("it is no UTF-8 text".to_owned()));
    match bytes(at, source)? {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| no_text()),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| no_text()),
    }
}
