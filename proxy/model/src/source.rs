//! What a resource of a file (`path_config_source`) is called: by its file and its name, so that a file's and the control
//! plane's, or two files', may be of one name. Knows nothing of what is in a file, nor how it is watched.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// What every such name begins with. The control plane's own never do.
const SCHEME: &str = "file://";

/// Stands for everything in a file, where listeners or clusters come from it.
pub const EVERYTHING: &str = "*";

/// A resource of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileResource {
    /// The file.
    pub path: Arc<str>,
    /// The directory that is watched in its place: something that is moved into it means that the file is another one.
    pub directory: Option<Arc<str>>,
    /// The file is read again and again, so often, and nothing is watched. Whole milliseconds; never with a directory.
    pub poll: Option<Duration>,
    /// What the resource calls itself, or [`EVERYTHING`].
    pub name: Arc<str>,
}

impl FileResource {
    /// No file is read more often than that.
    pub const SHORTEST_POLL: Duration = Duration::from_millis(1);

    /// What the model and its interests call it: `file://PATH[?DIRECTORY|??MILLISECONDS]#NAME`.
    pub fn key(&self) -> String {
        let how = match (&self.directory, self.poll) {
            (Some(directory), _) => format!("?{}", escaped(directory)),
            (None, Some(poll)) => format!("??{}", poll.as_millis()),
            (None, None) => String::new(),
        };
        format!("{SCHEME}{}{how}#{}", escaped(&self.path), self.name)
    }

    /// The other way round; `None` is a resource of the control plane's.
    pub fn of_key(key: &str) -> Option<Self> {
        let (place, name) = key.strip_prefix(SCHEME)?.split_once('#')?;
        let (path, how) = match place.split_once('?') {
            Some((path, how)) => (path, Some(how)),
            None => (place, None),
        };
        // A directory's own question mark is written in another way.
        let poll = how.and_then(|how| how.strip_prefix('?')?.parse().ok()).map(Duration::from_millis);
        let directory = how.filter(|_| poll.is_none()).map(|directory| plain(directory).into());
        Some(Self { path: plain(path).into(), directory, poll, name: name.into() })
    }
}

/// What the resource of this key calls itself.
pub(crate) fn own_name(key: &str) -> &str {
    match is_file(key) {
        true => key.split_once('#').map_or(key, |(_, name)| name),
        false => key,
    }
}

/// Whether this is the key of a file's resource.
pub(crate) fn is_file(key: &str) -> bool {
    key.starts_with(SCHEME)
}

/// What parts a key may be in a path.
const PARTS: [(&str, &str); 3] = [("%", "%25"), ("?", "%3F"), ("#", "%23")];

fn escaped(path: &str) -> Cow<'_, str> {
    match path.contains(['%', '?', '#']) {
        true => PARTS.iter().fold(path.to_owned(), |path, (plain, code)| path.replace(plain, code)).into(),
        false => path.into(),
    }
}

fn plain(path: &str) -> String {
    PARTS.iter().rev().fold(path.to_owned(), |path, (plain, code)| path.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_all_of_it() {
        for (path, directory, poll, name) in [
            ("/etc/envoy/eds.yaml", None, None, "a/b:*#1"),
            ("/etc/envoy/eds.yaml", None, Some(1500), "a"),
            ("relative", Some("/etc/envoy"), None, "*"),
            ("relative", Some("?7"), None, "*"),
            ("/tmp/what?#100%25", Some("/tmp/#?%"), None, "x?y"),
            ("", None, None, ""),
        ] {
            let file = FileResource {
                path: path.into(),
                directory: directory.map(Into::into),
                poll: poll.map(Duration::from_millis),
                name: name.into(),
            };
            assert_eq!(FileResource::of_key(&file.key()), Some(file.clone()), "{}", file.key());
            assert_eq!(own_name(&file.key()), name);
        }
    }

    #[test]
    fn the_control_plane_s_names_are_their_own() {
        for name in ["external_services", "a#b", "", "xdstp://x/y#z"] {
            assert_eq!((FileResource::of_key(name), own_name(name)), (None, name));
        }
    }
}
