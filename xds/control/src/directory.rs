//! Files and directories of manifests, watched. Reads and parses; knows nothing of what is declared elsewhere or running.
//!
//! A save is seen once the files have been quiet for a moment, however an editor goes about it: written in place, renamed
//! over, deleted and created again, saved twice. A file that is gone or empty is believed only after a longer look.

mod files;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_knative::manifest::{Document, Problem};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use files::{Files, Roots};

/// What a file says now.
#[derive(Debug)]
pub enum Event {
    /// It cannot be read or parsed. What it said before stays.
    Broken {
        /// The file.
        path: Arc<Path>,
        /// At least one.
        problems: Vec<Problem>,
    },
    /// It says this.
    File {
        /// The file.
        path: Arc<Path>,
        /// Its text, for telling people where something stands.
        text: Arc<str>,
        /// Its objects, in order.
        documents: Vec<Document>,
    },
    /// It is gone.
    Gone {
        /// The file.
        path: Arc<Path>,
    },
    /// Every file there is has been told of: what nobody declared by now, nobody declares. Once, after the first scan.
    Settled,
}

/// Files and directories under watch. Dropping it ends the watch.
pub struct Directory {
    /// Ends with this; the thread that reads its events then ends, too.
    _watcher: RecommendedWatcher,
}

/// Why manifests cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is nothing of this name, or it may not be looked at.
    #[error("{}: {error}", path.display())]
    Path {
        /// As the user named it.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The system does not watch (any more): often a limit, such as `fs.inotify.max_user_watches`.
    #[error("{}: cannot be watched: {error}", path.display())]
    Watch {
        /// What was to be watched.
        path: PathBuf,
        /// The system's words.
        error: notify::Error,
    },
    /// No thread can be started.
    #[error("cannot watch manifests: {0}")]
    Thread(std::io::Error),
}

impl Directory {
    /// Begins to watch. The first events tell of every file, in the order of `paths` and by name within a directory, and end
    /// with [`Event::Settled`]. Of a directory, files named `*.yaml`, `*.yml` and `*.json` count, those of directories in it
    /// do not, as with `kubectl apply -f`.
    ///
    /// # Errors
    /// A path that is not there, and a system that will not watch.
    pub fn open(paths: &[PathBuf]) -> Result<(Directory, UnboundedReceiver<Event>), OpenError> {
        let roots = Roots::new(paths)?;
        let (to_thread, changes) = std::sync::mpsc::channel();
        let handler = move |event| {
            // The thread is gone only when the watch is.
            let _ = to_thread.send(event);
        };
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| OpenError::Watch { path, error }
        };
        let first = paths.first().map_or(Path::new("."), PathBuf::as_path);
        let mut watcher = notify::recommended_watcher(handler).map_err(failed(first))?;
        for directory in roots.directories() {
            watcher.watch(directory, RecursiveMode::NonRecursive).map_err(failed(directory))?;
        }
        let (events, receiver) = unbounded_channel();
        let files = Files::new(roots, events);
        let thread = std::thread::Builder::new().name("manifests".to_owned());
        thread.spawn(move || watch::run(files, &changes)).map_err(OpenError::Thread)?;
        Ok((Directory { _watcher: watcher }, receiver))
    }
}

#[cfg(test)]
mod tests;
