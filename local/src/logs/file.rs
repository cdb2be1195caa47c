//! A log file with a bound on its size. Knows nothing of lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use forebay_knative::RevisionKey;

/// Opened by the first write, so that silent programs leave no empty files. What was written before is kept; at the
/// limit it moves to `.log.1`, whose predecessor is lost.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    limit: u64,
    /// Written before the first bytes of this process.
    title: Option<Vec<u8>>,
    open: Option<(File, u64)>,
    broken: bool,
}

impl LogFile {
    pub(crate) fn new(path: PathBuf, limit: u64, title: &str) -> Self {
        Self { path, limit, title: Some(format!("{title}\n").into_bytes()), open: None, broken: false }
    }

    /// Writes, unless it failed before. An error is given once; the file is then given up.
    ///
    /// Synchronous: it goes to the page cache, which is quicker than handing it to another thread.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<io::Error> {
        if self.broken {
            return None;
        }
        let result = self.append(bytes);
        self.broken = result.is_err();
        result.err()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, mut length) = match self.open.take() {
            Some(open) => open,
            None => open(&self.path)?,
        };
        if length >= self.limit {
            fs::rename(&self.path, self.path.with_added_extension("1"))?;
            (file, length) = open(&self.path)?;
        }
        if let Some(title) = self.title.take() {
            file.write_all(&title)?;
            length += title.len() as u64;
        }
        file.write_all(bytes)?;
        self.open = Some((file, length + bytes.len() as u64));
        Ok(())
    }
}

/// Where a replica's log is: `logs/<namespace>/<revision>-<replica><whose>.log`; `whose` is empty for the app's.
pub(crate) fn path(state_dir: &Path, key: &RevisionKey, replica: u32, whose: &str) -> PathBuf {
    // Both are DNS labels; should one ever come unchecked, it still must not lead out of the directory.
    let safe = |name: &str| name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '-'), "_");
    state_dir
        .join("logs")
        .join(safe(&key.namespace))
        .join(format!("{}-{replica}{whose}.log", safe(&key.name)))
}

/// Removes logs nobody has written to for a week: every rollout leaves some.
pub(crate) fn prune(logs: &Path) -> io::Result<()> {
    let old = SystemTime::now() - KEPT;
    for namespace in fs::read_dir(logs)? {
        for file in fs::read_dir(namespace?.path())? {
            let file = file?;
            if file.metadata()?.modified()? < old {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
