//! The journal of the state directory: one file, to which every change is appended, and which is written anew, without what
//! is outdated, when that is more than half of it. Knows nothing of what is in the records.
//!
//! One write for a change of however many objects, no matter how many there are; and forgetting all is one call.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What is known of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is: kind, namespace and name, without spaces.
    pub name: String,
    /// What is to be remembered, without line breaks; `None`: it goes away.
    pub bytes: Option<Vec<u8>>,
}

impl Record {
    /// The name of an object's record. What is no word is written as `%` and two digits.
    pub(crate) fn name(kind: &str, namespace: &str, name: &str) -> String {
        let mut path = kind.to_ascii_lowercase();
        for part in [namespace, name] {
            path.push('/');
            for byte in part.bytes() {
                match byte {
                    b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => path.push(byte.into()),
                    _ => path.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        path
    }
}

/// The journal. Its lines are a record's name, a space and its bytes, or a name alone for one that went; the last line of a
/// name counts.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes in the file.
    length: u64,
    /// As it was when it held nothing outdated.
    tidy: u64,
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("state {}: {error}", path.display())]
pub struct StateError {
    /// The file or directory.
    pub path: PathBuf,
    /// The system's words.
    pub error: io::Error,
}

/// The first line: who wrote this, in which way.
const HEADER: &[u8] = b"forebay journal 1\n";

/// 1 MiB of outdated records is not worth a rewrite.
const SLACK: u64 = 1 << 20;

impl Journal {
    /// Opens the journal of a directory, and begins one if there is none.
    ///
    /// # Errors
    /// It cannot be written, or another version wrote it.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join("objects.journal");
        match open(&path) {
            Ok((file, length)) => Ok(Journal { path, file, length, tidy: length }),
            Err(error) => Err(StateError { path, error }),
        }
    }

    /// Begins anew, whatever there was.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn fresh(directory: &Path) -> Result<Self, StateError> {
        let path = directory.join("objects.journal");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError { path, error }),
            _ => Self::open(directory),
        }
    }

    /// Every record, in order of their names. One is in memory at a time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(&mut self) -> Result<impl Iterator<Item = Result<Record, StateError>>, StateError> {
        let last = self.last_lines().map_err(|error| self.failed(error))?;
        self.tidy = HEADER.len() as u64 + last.values().map(|line| line.length as u64).sum::<u64>();
        Ok(last.into_values().map(|line| {
            self.line(&line).and_then(|bytes| record(&bytes)).map_err(|error| self.failed(error))
        }))
    }

    /// Appends what changed: all of it or, on an error, nothing.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, records: &[Record]) -> Result<(), StateError> {
        let mut lines = Vec::with_capacity(records.iter().map(size).sum::<u64>() as usize);
        records.iter().for_each(|record| line(record, &mut lines));
        if let Err(error) = self.file.write_all(&lines) {
            // Half a line would become one with the next.
            let _ = self.file.set_len(self.length);
            return Err(self.failed(error));
        }
        self.length += lines.len() as u64;
        if self.length > 2 * self.tidy + SLACK {
            self.rewrite().map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut fresh = io::BufWriter::new(File::create(&beside)?);
        fresh.write_all(HEADER)?;
        for line in self.last_lines()?.values() {
            fresh.write_all(&self.line(line)?)?;
        }
        fresh.into_inner().map_err(io::IntoInnerError::into_error)?;
        std::fs::rename(&beside, &self.path)?;
        (self.file, self.length) = open(&self.path)?;
        self.tidy = self.length;
        Ok(())
    }

    /// By name, where its last line is; those that went are not among them. Reads the file, and keeps none of it: with
    /// thousands of objects it is megabytes.
    fn last_lines(&self) -> io::Result<BTreeMap<Box<[u8]>, Place>> {
        let mut last = BTreeMap::new();
        let mut file = BufReader::new(&self.file);
        file.seek(SeekFrom::Start(HEADER.len() as u64))?;
        let (mut at, mut line) = (HEADER.len() as u64, Vec::new());
        loop {
            line.clear();
            let length = file.read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(last);
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            match text.iter().position(|byte| *byte == b' ') {
                Some(end) => drop(last.insert(text[..end].into(), Place { at, length })),
                None => drop(last.remove(text)),
            }
            at += length as u64;
        }
    }

    fn line(&self, place: &Place) -> io::Result<Vec<u8>> {
        let mut line = vec![0; place.length];
        self.file.read_exact_at(&mut line, place.at)?;
        Ok(line)
    }

    fn failed(&self, error: io::Error) -> StateError {
        StateError { path: self.path.clone(), error }
    }
}

/// The file, to be appended to, with its length.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut length = file.metadata()?.len();
    if length == 0 {
        file.write_all(HEADER)?;
        return Ok((file, HEADER.len() as u64));
    }
    let mut header = [0; HEADER.len()];
    if file.read_exact(&mut header).is_err() || header != HEADER {
        let message = "is not what this version wrote; --fresh starts without it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        // The machine went down in the middle of a line.
        file.rewind()?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        length = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
        file.set_len(length)?;
    }
    Ok((file, length))
}

/// A line of the file.
struct Place {
    at: u64,
    /// Its end included.
    length: usize,
}

/// The record of a line.
fn record(line: &[u8]) -> io::Result<Record> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    let name = parts.next().unwrap_or_default().to_vec();
    let name = String::from_utf8(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Record { name, bytes: parts.next().map(Into::into) })
}

fn line(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(record.name.as_bytes());
    if let Some(bytes) = &record.bytes {
        out.push(b' ');
        out.extend_from_slice(bytes);
    }
    out.push(b'\n');
}

/// Bytes of its line.
fn size(record: &Record) -> u64 {
    (record.name.len() + record.bytes.as_ref().map_or(0, |bytes| bytes.len() + 1) + 1) as u64
}

#[cfg(test)]
mod tests;
