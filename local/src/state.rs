//! The directory of what must survive a restart: where it is, and that it has one owner at a time.
//! Knows nothing of what is kept in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why state cannot be kept. The texts name the path.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("no place for state is known: neither XDG_STATE_HOME nor HOME is set; give --state DIR")]
    NoHome,
    #[error("state directory {} is in use by another forebay{}; stop it, or give another with --state DIR", .path.display(), owner(.pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("state: cannot {action} {}: {error}", .path.display())]
    Io { action: &'static str, path: PathBuf, error: io::Error },
}

fn owner(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// A state directory that is this process's own until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    path: PathBuf,
    /// Locked.
    _lock: File,
}

/// Where state is kept when nobody says otherwise: `$XDG_STATE_HOME/forebay`, else `~/.local/state/forebay`, on macOS
/// `~/Library/Application Support/forebay`.
pub fn default_dir() -> Result<PathBuf, StateError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // The XDG specification wants relative values ignored. Who sets the variable on macOS means it, too.
    if let Some(dir) = absolute("XDG_STATE_HOME") {
        return Ok(dir.join("forebay"));
    }
    let home = absolute("HOME").ok_or(StateError::NoHome)?;
    let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
    Ok(home.join(below).join("forebay"))
}

impl StateLock {
    /// Creates the directory where missing, sees that it can be written, and locks it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StateError> {
        let path = path.into();
        let path = std::path::absolute(&path).unwrap_or(path);
        fs::create_dir_all(&path).map_err(failed("create", &path))?;
        let file = path.join("lock");
        // Not truncated: it may be another's, whose number stands in it.
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file);
        let mut lock = lock.map_err(failed("write", &file))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = lock.read_to_string(&mut text);
                return Err(StateError::InUse { path, pid: text.trim().parse().ok() });
            }
            Err(e) => return Err(failed("lock", &file)(e.into())),
        }
        // For the one who finds it locked.
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(failed("write", &file))?;
        Ok(Self { path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError + use<> {
    let path = path.to_owned();
    move |error| StateError::Io { action, path, error }
}

#[cfg(test)]
mod tests;
