//! What a resource of a file (`path_config_source`) is called: by its file and its name, so that a file's and the control
//! plane's, or two files', may be of one name. Knows nothing of what is in a file, nor how it is watched.

use std::borrow::Cow;
use std::sync::Arc;

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
    /// What the resource calls itself, or [`EVERYTHING`].
    pub name: Arc<str>,
}

impl FileResource {
    /// What the model and its interests call it: `file://PATH[?DIRECTORY]#NAME`.
    pub fn key(&self) -> String {
        let directory = self.directory.iter().map(|directory| format!("?{}", escaped(directory)));
        format!("{SCHEME}{}{}#{}", escaped(&self.path), directory.collect::<String>(), self.name)
    }

    /// The other way round; `None` is a resource of the control plane's.
    pub fn of_key(key: &str) -> Option<Self> {
        let (place, name) = key.strip_prefix(SCHEME)?.split_once('#')?;
        let (path, directory) = match place.split_once('?') {
            Some((path, directory)) => (path, Some(plain(directory).into())),
            None => (place, None),
        };
        Some(Self { path: plain(path).into(), directory, name: name.into() })
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
        for (path, directory, name) in [
            ("/etc/envoy/eds.yaml", None, "a/b:*#1"),
            ("relative", Some("/etc/envoy"), "*"),
            ("/tmp/what?#100%25", Some("/tmp/#?%"), "x?y"),
            ("", None, ""),
        ] {
            let file =
                FileResource { path: path.into(), directory: directory.map(Into::into), name: name.into() };
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
