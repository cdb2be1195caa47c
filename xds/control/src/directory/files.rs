//! Which files count, what they said when last read, and what to tell of it. Knows nothing of when to look.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_knative::manifest::{self, Problem};
use tokio::sync::mpsc::UnboundedSender;

use super::{Event, OpenError};

/// 64 MiB: 5,000 Services with room to spare; what is larger is no manifest.
const MAX_FILE: u64 = 64 << 20;

/// What the user named.
pub(super) struct Roots {
    roots: Vec<Root>,
}

enum Root {
    Directory(PathBuf),
    /// With the directory it is in, which is what is watched: a file that is renamed over loses its own watch.
    File {
        path: PathBuf,
        parent: PathBuf,
    },
}

impl Root {
    fn directory(&self) -> &Path {
        match self {
            Root::Directory(path) | Root::File { parent: path, .. } => path,
        }
    }
}

impl Roots {
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self, OpenError> {
        let root = |path: &PathBuf| {
            let failed = |error| OpenError::Path { path: path.clone(), error };
            // Full names: events have them, and a working directory may change.
            let full = std::path::absolute(path).map_err(failed)?;
            if std::fs::metadata(&full).map_err(failed)?.is_dir() {
                return Ok(Root::Directory(full));
            }
            let parent = full.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
            Ok(Root::File { path: full, parent })
        };
        Ok(Roots { roots: paths.iter().map(root).collect::<Result<_, _>>()? })
    }

    /// What to watch, each once.
    pub(super) fn directories(&self) -> BTreeSet<&Path> {
        self.roots.iter().map(Root::directory).collect()
    }

    /// Whether a file counts.
    fn has(&self, path: &Path) -> bool {
        self.roots.iter().any(|root| match root {
            Root::Directory(directory) => path.parent() == Some(directory) && is_manifest(path),
            Root::File { path: file, .. } => file == path,
        })
    }

    /// Every file that counts and is there, in order.
    fn scan(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for root in &self.roots {
            let mut part = match root {
                Root::File { path, .. } => vec![path.clone()],
                Root::Directory(directory) => match std::fs::read_dir(directory) {
                    Ok(entries) => {
                        entries.flatten().map(|entry| entry.path()).filter(|path| is_manifest(path)).collect()
                    }
                    Err(error) => {
                        tracing::warn!(path = %directory.display(), %error, "cannot list manifests");
                        Vec::new()
                    }
                },
            };
            part.sort();
            part.retain(|path| !found.contains(path));
            found.append(&mut part);
        }
        found
    }
}

/// By its name: editors' leavings (`.app.yaml.swp`, `app.yaml~`, `4913`) are none.
fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// The files, as last told.
pub(super) struct Files {
    roots: Roots,
    /// By path; what was last told of.
    told: BTreeMap<PathBuf, Told>,
    events: UnboundedSender<Event>,
}

struct Told {
    path: Arc<Path>,
    /// `None` while it cannot be read.
    text: Option<Print>,
}

/// What is remembered of a text: a manifest of 5,000 Services is two megabytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Print {
    hash: u64,
    blank: bool,
}

impl Print {
    fn of(text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self { hash: hasher.finish(), blank: text.trim().is_empty() }
    }
}

/// How a look ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// What there is has been told.
    Told,
    /// It seems to be gone or empty, which may be an editor in the middle of its work: to be looked at again.
    Doubtful,
}

impl Files {
    pub(super) fn new(roots: Roots, events: UnboundedSender<Event>) -> Self {
        Files { roots, told: BTreeMap::new(), events }
    }

    /// Whether anybody still listens.
    pub(super) fn is_heard(&self) -> bool {
        !self.events.is_closed()
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.roots.has(path)
    }

    /// All files there are, and all that were.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let mut all = self.roots.scan();
        let gone: Vec<PathBuf> = self.told.keys().filter(|path| !all.contains(path)).cloned().collect();
        all.extend(gone);
        all
    }

    /// The first look at everything.
    pub(super) fn begin(&mut self) {
        for path in self.roots.scan() {
            self.look(&path, true);
        }
        self.tell(Event::Settled);
    }

    /// Looks at one file and tells what changed. `sure`: what seems gone or empty is.
    pub(super) fn look(&mut self, path: &Path, sure: bool) -> Look {
        let before = self.told.get(path);
        match read(path) {
            Ok(text) => {
                let (then, now) = (before.and_then(|told| told.text), Print::of(&text));
                if then == Some(now) {
                    return Look::Told;
                }
                if then.is_some_and(|then| !then.blank) && now.blank && !sure {
                    return Look::Doubtful;
                }
                self.read(path, text.into());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if before.is_none() {
                    return Look::Told;
                }
                if !sure {
                    return Look::Doubtful;
                }
                if let Some(told) = self.told.remove(path) {
                    self.tell(Event::Gone { path: told.path });
                }
            }
            Err(error) => {
                if before.is_some_and(|told| told.text.is_none()) {
                    return Look::Told;
                }
                let path = self.remember(path, None);
                let problem = Problem { line: 0, path: String::new(), message: error.to_string() };
                self.tell(Event::Broken { path, problems: vec![problem] });
            }
        }
        Look::Told
    }

    fn read(&mut self, path: &Path, text: Arc<str>) {
        let path = self.remember(path, Some(Print::of(&text)));
        match manifest::parse(&text) {
            Ok(documents) => self.tell(Event::File { path, text, documents }),
            Err(problems) => self.tell(Event::Broken { path, problems }),
        }
    }

    fn remember(&mut self, path: &Path, text: Option<Print>) -> Arc<Path> {
        let shared: Arc<Path> = self.told.get(path).map_or_else(|| path.into(), |told| told.path.clone());
        self.told.insert(path.to_owned(), Told { path: shared.clone(), text });
        shared
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more: the watch is about to end.
        let _ = self.events.send(event);
    }
}

fn read(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > MAX_FILE {
        let message = format!("{length} bytes are too many for a manifest, at most {MAX_FILE} are read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    std::fs::read_to_string(path)
}
