//! The process's log files by path: one thread each, however many listeners and workers write to it. Knows nothing of lines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::sink::{LogFile, OpenError, Shared};

/// Open log files. Clones are the same. Its lock is taken when a listener is configured, never by a request.
#[derive(Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<PathBuf, Weak<Shared>>>>);

impl Files {
    /// The file of that path: the one that is open, or a new one. It closes when nobody holds it any more.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<LogFile, OpenError> {
        let path = path.as_ref();
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|_, file| file.strong_count() > 0);
        if let Some(file) = files.get(path).and_then(LogFile::upgrade) {
            return Ok(file);
        }
        let file = LogFile::open(path)?;
        files.insert(path.to_owned(), file.downgrade());
        Ok(file)
    }

    /// Opens every file anew, for log rotation.
    pub fn reopen(&self) {
        self.all().iter().for_each(LogFile::reopen);
    }

    /// Waits until everything handed over before is written, `patience` at most for all together: the last thing a
    /// process does. Blocks. Returns whether it is all out.
    pub fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut whole = true;
        for file in self.all() {
            // Each gets its try, also when one before it used up the time.
            whole &= file.flush(until.saturating_duration_since(Instant::now()));
        }
        whole
    }

    /// Lines lost so far by the files that are open.
    pub fn lost(&self) -> u64 {
        self.all().iter().map(LogFile::lost).sum()
    }

    /// The files that are open; they stay so for as long as somebody holds this.
    pub fn all(&self) -> Vec<LogFile> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.values().filter_map(LogFile::upgrade).collect()
    }
}

#[cfg(test)]
mod tests;
