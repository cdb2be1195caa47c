//! `core.v3.DataSource`: bytes from the resource, a file or the environment. Knows not what they are.

use std::sync::Arc;

use forebay_proto::envoy::config::core::v3 as core;

use crate::read::at::At;
use crate::read::fields::fields;
use crate::read::invalid::{Invalid, Rule};

/// The bytes; `None` where nothing is said.
pub(super) fn bytes(at: &At<'_>, source: &Option<core::DataSource>) -> Result<Option<Arc<[u8]>>, Invalid> {
    use core::data_source::Specifier::{EnvironmentVariable, Filename, InlineBytes, InlineString};
    let Some(source) = source else { return Ok(None) };
    fields!(at, source => core::DataSource {
        read: [specifier],
        harmless: [],
        refused: [watched_directory],
    });
    let unreadable = |name: &str, error: String| Rule::Unreadable { name: name.to_owned(), error };
    Ok(match specifier {
        None => None,
        Some(InlineBytes(bytes)) => Some(bytes.as_slice().into()),
        Some(InlineString(text)) => Some(text.as_bytes().into()),
        Some(Filename(path)) => {
            let read = std::fs::read(path);
            let read = read.map_err(|e| at.field("filename").refuse(unreadable(path, e.to_string())))?;
            Some(read.into())
        }
        Some(EnvironmentVariable(name)) => {
            let value = std::env::var(name)
                .map_err(|e| at.field("environment_variable").refuse(unreadable(name, e.to_string())))?;
            Some(value.into_bytes().into())
        }
    })
}
