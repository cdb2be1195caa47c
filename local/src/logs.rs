//! What programs write: lines for the screen, and files. Knows nothing of what the lines mean.

mod file;
mod line;

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use forebay_knative::RevisionKey;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use crate::event::{Event, Room, Stream};
use crate::process::Output;
use file::LogFile;
use line::Lines;

pub(crate) use file::{path, prune};

/// The room all lines in flight share, in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(IN_FLIGHT)))
    }
}

/// The last lines of one replica.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    /// Oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(TAIL_CHARS).collect());
    }
}

/// Where the lines of one process go.
pub(crate) struct Capture {
    pub(crate) key: RevisionKey,
    pub(crate) replica: u32,
    pub(crate) file: PathBuf,
    /// Bytes of the file before it is put aside.
    pub(crate) limit: u64,
    /// Written to the file before the first line.
    pub(crate) title: String,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    pub(crate) budget: Budget,
    pub(crate) tail: Arc<Tail>,
}

impl Capture {
    /// Reads until both ends are closed. A chunk is on its way to file and screen before the next is read: who writes
    /// faster than that waits, as on any pipe.
    pub(crate) async fn run(self, output: Output) {
        let Output { mut stdout, mut stderr } = output;
        let mut screen = Screen { capture: &self, skipped: 0 };
        let mut file = LogFile::new(self.file.clone(), self.limit, &self.title);
        let (mut out, mut err) = (Some(Lines::default()), Some(Lines::default()));
        while out.is_some() || err.is_some() {
            let (stream, chunk) = tokio::select! {
                chunk = read(&mut stdout), if out.is_some() => (Stream::Stdout, chunk),
                chunk = read(&mut stderr), if err.is_some() => (Stream::Stderr, chunk),
                () = screen.relieved(), if screen.skipped > 0 => continue,
            };
            let side = match stream {
                Stream::Stdout => &mut out,
                Stream::Stderr => &mut err,
            };
            let Some(lines) = side else { continue };
            let complete = match chunk {
                Ok(chunk) if !chunk.is_empty() => {
                    let broken = file.write(&chunk);
                    if let Some(e) = broken {
                        self.notice(format!(
                            "log file {} cannot be written: {e}; lines are only shown",
                            self.file.display()
                        ));
                    }
                    lines.feed(&chunk)
                }
                // Closed, or as good as.
                _ => {
                    let rest = lines.rest();
                    *side = None;
                    rest
                }
            };
            for line in complete {
                self.tail.push(&line);
                screen.show(stream, line).await;
            }
        }
        screen.relieved().await;
    }

    fn notice(&self, message: String) {
        let _ = self.events.send(Event::Notice { key: self.key.clone(), replica: self.replica, message });
    }
}

/// Sends lines on while there is room.
struct Screen<'a> {
    capture: &'a Capture,
    /// Lines that found no room since the last that did.
    skipped: u64,
}

impl Screen<'_> {
    async fn show(&mut self, stream: Stream, line: String) {
        let permits = u32::try_from(line.len() + LINE_OVERHEAD).unwrap_or(u32::MAX).min(IN_FLIGHT as u32);
        let room = self.capture.budget.0.clone();
        let permit = match self.skipped {
            0 => timeout(PATIENCE, room.acquire_many_owned(permits)).await.ok().and_then(Result::ok),
            // No patience while lines are being skipped, or a stuck terminal would hold up every one of them.
            _ => None,
        };
        match permit {
            Some(permit) => self.send(stream, line, permit),
            None => self.skipped += 1,
        }
    }

    /// Waits until most of what is in flight has been shown, then tells how many lines were not. Cancel-safe.
    async fn relieved(&mut self) {
        if self.skipped == 0 {
            return;
        }
        let Ok(permit) = self.capture.budget.0.clone().acquire_many_owned(IN_FLIGHT as u32 / 2).await else {
            return;
        };
        let file = self.capture.file.display();
        let line = format!("… {} lines came too fast to be shown; they are in {file}", self.skipped);
        self.skipped = 0;
        drop(permit);
        self.capture.notice(line);
    }

    fn send(&self, stream: Stream, line: String, room: OwnedSemaphorePermit) {
        let Capture { key, replica, events, .. } = self.capture;
        // Nobody listens any more: the platform is being dropped, and the process with it.
        let _ =
            events.send(Event::Log { key: key.clone(), replica: *replica, stream, line, room: Room(room) });
    }
}

/// The next bytes; none at the end. The buffer is on the stack of one poll, so a silent program holds none.
async fn read(pipe: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    std::future::poll_fn(|cx| {
        let mut bytes = [MaybeUninit::uninit(); CHUNK];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut *pipe).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().to_vec()))
    })
    .await
}

/// Bytes read at a time: what most pipes hold in one of their pages, four times over.
const CHUNK: usize = 16 << 10;
/// Bytes of all lines between here and the screen.
const IN_FLIGHT: usize = 1 << 20;
/// What a line costs besides its text: the event and its place in the queue, in bytes.
const LINE_OVERHEAD: usize = 128;
/// How long a program is held up before lines are skipped on the screen.
const PATIENCE: Duration = Duration::from_millis(100);
/// What a failure shows.
const TAIL_LINES: usize = 10;
const TAIL_CHARS: usize = 400;

#[cfg(test)]
mod tests;
