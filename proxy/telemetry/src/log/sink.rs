//! Log files: one writing thread each, fed with whole buffers. A file that cannot keep up loses lines, counted; it never
//! holds a worker. Knows nothing of formats' contents.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use forebay_format::{Format, Formatter, Record};
use thiserror::Error;
use tracing::{info, warn};

/// A worker's buffer goes to the thread at this size: some 200 lines. Waking the thread for every 60 lines was a twentieth of all
/// CPU time. (Envoy: 64 KiB.)
const FULL: usize = 60 * 1024;
/// What a buffer has room for: the last line is seldom longer than this leaves, and then the buffer grows.
const ROOM: usize = 64 * 1024;
/// Buffers in the queue: 4 MiB of lines at most. More would only delay the moment at which a dead disk is noticed; fewer would
/// lose lines when workers hand over the last of many listeners at once.
const QUEUE: usize = 64;
/// How often one file's trouble is told at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A log file and its thread. Clones share it; the thread ends, everything written, when the last of them and of its
/// writers is gone.
#[derive(Clone)]
pub struct LogFile(Arc<Shared>);

pub(super) struct Shared {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    path: PathBuf,
}

impl LogFile {
    /// Opens (creates, appends to) `path` and starts its thread. `/dev/stdout` and `/dev/stderr` mean the process's own
    /// streams, also where they are sockets or owned by another user.
    ///
    /// One path should be opened once, through [`Files`](super::Files): two threads that write to one pipe can tear each
    /// other's lines.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenError> {
        let path = path.into();
        let failed = |source| OpenError { path: path.clone(), source };
        let file = open(&path).map_err(failed)?;
        let (queue, messages) = mpsc::sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { file, path: path.clone(), lost: lost.clone(), told: None, failing: false };
        thread::Builder::new()
            .name("access-log".into())
            .spawn(move || writer.run(&messages))
            .map_err(failed)?;
        Ok(Self(Arc::new(Shared { queue, lost, path })))
    }

    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn upgrade(weak: &Weak<Shared>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    /// A writer for one worker: moves into its thread.
    pub fn writer(&self, format: Arc<Format>) -> LogWriter {
        LogWriter { formatter: Formatter::new(format), buffer: Vec::new(), lines: 0, file: self.clone() }
    }

    /// Closes and opens the file by its name, for log rotation. Keeps the old one if that fails.
    pub fn reopen(&self) {
        // A full queue: the thread is stuck in the very file that is to be left. It will be told on the next call.
        let _ = self.0.queue.try_send(Message::Reopen);
    }

    /// Lines lost because the queue was full or the file refused them.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Waits until everything handed over before is written, `patience` at most. Blocks: not for workers. Returns
    /// whether it is all out.
    pub fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let (done, written) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.0.queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) if Instant::now() < until => {
                    message = back;
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TrySendError::Full(_)) => return false,
            }
        }
        written.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// The file cannot be opened.
#[derive(Debug, Error)]
#[error("cannot open access log {path}: {source}", path = path.display())]
pub struct OpenError {
    path: PathBuf,
    source: io::Error,
}

/// One worker's end of a log file. Lines gather in its buffer; dropping it hands over the rest.
pub struct LogWriter {
    formatter: Formatter,
    buffer: Vec<u8>,
    lines: u64,
    file: LogFile,
}

/// Whether lines are still in the worker's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// This line is the first in the buffer: see to it that `flush` is called within a second.
    First,
    /// Others wait already.
    More,
    /// The buffer was just handed over.
    None,
}

impl LogWriter {
    /// Formats one line into the buffer.
    pub fn log(&mut self, record: &impl Record) -> Pending {
        let first = self.buffer.is_empty();
        if first {
            self.buffer.reserve(ROOM);
        }
        self.formatter.write(record, &mut self.buffer);
        self.lines += 1;
        if self.buffer.len() >= FULL {
            self.flush();
            Pending::None
        } else if first {
            Pending::First
        } else {
            Pending::More
        }
    }

    /// Hands the buffer to the file's thread. Never blocks: when the thread is behind, the lines are lost and counted.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        let bytes = std::mem::take(&mut self.buffer);
        match self.file.0.queue.try_send(Message::Lines { bytes, lines }) {
            Ok(()) => {}
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => {
                self.file.0.lost.fetch_add(lines, Relaxed);
                // The buffer is as good as new for the next lines.
                if let Message::Lines { mut bytes, .. } = message {
                    bytes.clear();
                    self.buffer = bytes;
                }
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

enum Message {
    Lines { bytes: Vec<u8>, lines: u64 },
    Reopen,
    Flush(SyncSender<()>),
}

/// The thread's side.
struct Writer {
    file: File,
    path: PathBuf,
    lost: Arc<AtomicU64>,
    /// When trouble was last told.
    told: Option<Instant>,
    failing: bool,
}

impl Writer {
    /// Ends when the last handle is gone and the queue is empty.
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            match message {
                Message::Lines { bytes, lines } => self.write(&bytes, lines),
                Message::Reopen => self.reopen(),
                // Whoever asked may have stopped waiting.
                Message::Flush(done) => drop(done.send(())),
            }
        }
    }

    fn write(&mut self, bytes: &[u8], lines: u64) {
        match write_all(&mut self.file, bytes) {
            Ok(()) if self.failing => {
                self.failing = false;
                info!(path = %self.path.display(), lost = self.lost.load(Relaxed), "access log is written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.lost.fetch_add(lines, Relaxed);
                self.failing = true;
                if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    self.told = Some(Instant::now());
                    let lost = self.lost.load(Relaxed);
                    warn!(path = %self.path.display(), %error, lost, "access log cannot be written; lines are lost");
                }
            }
        }
    }

    fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                warn!(path = %self.path.display(), %error, "access log cannot be reopened; the old file is kept");
            }
        }
    }
}

/// Like `Write::write_all`, but waits where a stream shared with others was made non-blocking (a terminal, a pipe).
fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5))
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    match path.to_str() {
        Some("/dev/stdout") => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        Some("/dev/stderr") => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        _ => OpenOptions::new().append(true).create(true).open(path),
    }
}

#[cfg(test)]
mod tests;
