//! The state directory: one small file per object, so that a change writes what changed. Knows nothing of what is in them.

use std::io;
use std::path::{Path, PathBuf};

/// One file of the state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is, relative to the directory, with slashes.
    pub name: String,
    /// What is in it; `None`: it goes away.
    pub bytes: Option<Vec<u8>>,
}

impl Record {
    /// The name of an object's file. What no file system minds stays as it is, the rest is written as `%` and two digits.
    pub(crate) fn name(kind: &str, namespace: &str, name: &str) -> String {
        let mut path = kind.to_ascii_lowercase();
        for part in [namespace, name] {
            path.push('/');
            for byte in part.bytes() {
                match byte {
                    b'a'..=b'z' | b'0'..=b'9' | b'-' => path.push(byte.into()),
                    b'.' if !path.ends_with('/') => path.push('.'),
                    _ => path.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        path + ".json"
    }
}

/// A state directory.
#[derive(Debug)]
pub struct StateDir {
    objects: PathBuf,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("state directory {}: {error}", path.display())]
pub struct StateError {
    /// The file or directory.
    pub path: PathBuf,
    /// The system's words.
    pub error: io::Error,
}

impl StateDir {
    /// Opens a state directory, makes it if need be, and makes sure that it can be written to.
    ///
    /// # Errors
    /// It cannot be made, or not be written to.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let objects = path.join("objects");
        let failed = |error| StateError { path: path.to_owned(), error };
        std::fs::create_dir_all(&objects).map_err(failed)?;
        let probe = objects.join(TEMPORARY);
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(failed)?;
        Ok(StateDir { objects })
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// Something in it cannot be removed.
    pub fn clear(&self) -> Result<(), StateError> {
        let failed = |error| StateError { path: self.objects.clone(), error };
        std::fs::remove_dir_all(&self.objects).map_err(failed)?;
        std::fs::create_dir_all(&self.objects).map_err(failed)
    }

    /// Every record, in order.
    ///
    /// # Errors
    /// A directory cannot be listed, or a file not be read.
    pub fn load(&self) -> Result<Vec<Record>, StateError> {
        let mut records = Vec::new();
        let mut directories = vec![self.objects.clone()];
        while let Some(directory) = directories.pop() {
            let failed = |error| StateError { path: directory.clone(), error };
            for entry in std::fs::read_dir(&directory).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "json") {
                    let bytes =
                        std::fs::read(&path).map_err(|error| StateError { path: path.clone(), error })?;
                    let relative = path.strip_prefix(&self.objects).unwrap_or(&path);
                    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                    records.push(Record { name: parts.join("/"), bytes: Some(bytes) });
                }
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// Writes and removes what changed. Each file is whole at all times: it is written beside its place and moved there.
    ///
    /// # Errors
    /// The first file that could not be written; those before it are.
    pub fn write(&self, records: &[Record]) -> Result<(), StateError> {
        for record in records {
            let path = self.objects.join(&record.name);
            self.write_one(&path, record.bytes.as_deref()).map_err(|error| StateError { path, error })?;
        }
        Ok(())
    }

    fn write_one(&self, path: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
        let Some(bytes) = bytes else {
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                done => done,
            };
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let beside = self.objects.join(TEMPORARY);
        std::fs::write(&beside, bytes)?;
        std::fs::rename(&beside, path)
    }
}

/// A file in the making. There is one writer.
const TEMPORARY: &str = "new";

#[cfg(test)]
mod tests;
