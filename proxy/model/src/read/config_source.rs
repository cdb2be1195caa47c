//! `core.v3.ConfigSource`: where a further resource comes from. The one aggregated stream is known, and files.

use std::sync::Arc;
use std::time::Duration;

use forebay_proto::envoy::config::core::v3 as core;

use super::at::At;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::duration;
use crate::source::{FileResource, is_file};

/// Envoy's default: how long a first answer is waited for before its absence is taken as the answer.
const INITIAL_FETCH: Duration = Duration::from_secs(15);

/// A resource that another one names.
pub(crate) struct Wanted {
    /// What the model calls it.
    pub(crate) key: Arc<str>,
    /// How long to wait for it; `None` is for ever.
    pub(crate) wait: Option<Duration>,
}

/// Where the resource `name` comes from.
pub(crate) fn config_source(
    at: &At<'_>,
    source: &Option<core::ConfigSource>,
    name: &str,
) -> Result<Wanted, Invalid> {
    use core::config_source::ConfigSourceSpecifier::{Ads, Path, PathConfigSource, Self_};
    let Some(source) = source else { return Err(at.missing("ads")) };
    fields!(at, source => core::ConfigSource {
        read: [initial_fetch_timeout, config_source_specifier],
        // There is one version of the API left.
        harmless: [resource_api_version],
        refused: [authorities],
    });
    let key = match config_source_specifier {
        Some(Ads(_) | Self_(_)) if is_file(name) => return Err(at.unsupported(format_args!("{name:?}"))),
        // `self` is "the stream that this resource came by", and there is only one.
        Some(Ads(_) | Self_(_)) => name.into(),
        Some(PathConfigSource(file)) => in_file(&at.field("path_config_source"), file, name)?,
        // The field of before, which can say less.
        Some(Path(path)) => {
            let file = core::PathConfigSource { path: path.clone(), ..Default::default() };
            in_file(at, &file, name)?
        }
        Some(other) => return Err(at.unsupported(other)),
        None => return Err(at.missing("ads")),
    };
    let wait = duration(at.field("initial_fetch_timeout"), initial_fetch_timeout)?.unwrap_or(INITIAL_FETCH);
    Ok(Wanted { key, wait: (!wait.is_zero()).then_some(wait) })
}

/// As Envoy: a file that is not there when it is named is a mistake. One that goes away later is not.
fn in_file(at: &At<'_>, file: &core::PathConfigSource, name: &str) -> Result<Arc<str>, Invalid> {
    fields!(at, file => core::PathConfigSource {
        read: [path, watched_directory, poll_interval],
        harmless: [],
        refused: [],
    });
    let there = |at: At<'_>, path: &str| match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(at.refuse(Rule::Unreadable { name: path.to_owned(), error: error.to_string() })),
    };
    there(at.field("path"), path)?;
    let directory = watched_directory.as_ref().map(|watched| watched.path.as_str());
    if let Some(directory) = directory {
        there(at.field("watched_directory"), directory)?;
    }
    let field = at.field("poll_interval");
    if poll_interval.is_some() && directory.is_some() {
        return Err(field.unsupported(format_args!("together with watched_directory")));
    }
    let poll = duration(field, poll_interval)?;
    if poll.is_some_and(|poll| poll < FileResource::SHORTEST_POLL) {
        return Err(at.field("poll_interval").unsupported(format_args!("less than a millisecond")));
    }
    let directory = directory.map(Into::into);
    Ok(FileResource { path: path.as_str().into(), directory, poll, name: name.into() }.key().into())
}
