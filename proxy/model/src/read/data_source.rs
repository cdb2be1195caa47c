//! `DataSource`: bytes in the configuration itself, in a file or in the environment, read once. Knows not what they are for.

use std::borrow::Cow;
use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as pb;

use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};

/// The bytes.
pub(crate) fn bytes<'s>(at: &At<'_>, source: &'s pb::DataSource) -> Result<Cow<'s, [u8]>, Invalid> {
    use pb::data_source::Specifier::{EnvironmentVariable, Filename, InlineBytes, InlineString};
    fields!(at, source => pb::DataSource { read: [specifier], harmless: [], refused: [watched_directory] });
    let unreadable = |name: &str, error: String| Rule::Unreadable { name: name.to_owned(), error };
    match specifier {
        Some(InlineString(text)) => Ok(Cow::Borrowed(text.as_bytes())),
        Some(InlineBytes(bytes)) => Ok(Cow::Borrowed(bytes)),
        Some(Filename(path)) => std::fs::read(path)
            .map(Cow::Owned)
            .map_err(|error| at.field("filename").refuse(unreadable(path, error.to_string()))),
        Some(EnvironmentVariable(name)) => std::env::var(name)
            .map(|value| Cow::Owned(value.into_bytes()))
            .map_err(|error| at.field("environment_variable").refuse(unreadable(name, error.to_string()))),
        None => Err(at.missing("specifier")),
    }
}

/// The bytes; `None` where nothing is said.
pub(crate) fn optional(at: &At<'_>, source: &Option<pb::DataSource>) -> Result<Option<Arc<[u8]>>, Invalid> {
    match source {
        None | Some(pb::DataSource { specifier: None, watched_directory: None }) => Ok(None),
        Some(source) => Ok(Some(bytes(at, source)?.into())),
    }
}

/// The same as text.
pub(crate) fn text<'s>(at: &At<'_>, source: &'s pb::DataSource) -> Result<Cow<'s, str>, Invalid> {
    let no_text = || at.unsupported(format_args!("bytes that are no UTF-8"));
    match bytes(at, source)? {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| no_text()),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| no_text()),
    }
}
