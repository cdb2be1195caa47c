//! The thread that writes standard output. Owns the queue of lines and the screen; knows nothing of what is said.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use crate::up::screen::{Screen, Table};

/// Of the thread.
pub(super) const NAME: &str = "output";

/// Bytes that wait to be read by somebody; what is said beyond is counted only. A manifest of 5,000 Services says 2 MiB.
const MOST_WAITING: usize = 16 << 20;

/// One write of lines where there is no screen: a pipe's size.
const BATCH: usize = 64 << 10;

/// How often the terminal is asked how large it is.
const MEASURE: Duration = Duration::from_millis(250);

/// How long the end waits for somebody who does not read.
const PATIENCE: Duration = Duration::from_secs(1);

enum Message {
    Line(String),
    Show(Option<Table>),
    End(SyncSender<()>),
}

/// Where lines are handed in.
pub(super) struct Handle {
    queue: Sender<Message>,
    waiting: Arc<Waiting>,
}

/// Written by those who speak and by the thread.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// Lines that had no room.
    lost: AtomicU64,
}

impl Handle {
    /// Never waits.
    pub(super) fn line(&self, line: String) {
        let before = self.waiting.bytes.fetch_add(line.len(), Ordering::Relaxed);
        if before > MOST_WAITING {
            self.waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.waiting.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            self.send(Message::Line(line));
        }
    }

    pub(super) fn show(&self, table: Option<Table>) {
        self.send(Message::Show(table));
    }

    /// Waits until all is written.
    pub(super) fn end(&self) {
        let (done, ended) = sync_channel(1);
        self.send(Message::End(done));
        // An error means that nobody reads.
        let _ = ended.recv_timeout(PATIENCE);
    }

    fn send(&self, message: Message) {
        // The thread outlives all but a panic of its own.
        let _ = self.queue.send(message);
    }
}

pub(super) fn start(colours: bool) -> std::io::Result<Handle> {
    let (queue, messages) = channel();
    let waiting = Arc::new(Waiting::default());
    let handle = Handle { queue, waiting: waiting.clone() };
    std::thread::Builder::new().name(NAME.into()).spawn(move || {
        Writer { messages, waiting, colours, screen: None, batch: String::new() }.run();
    })?;
    Ok(handle)
}

pub(super) fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed standard output (`forebay up | head`) must not end what runs.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

struct Writer {
    messages: Receiver<Message>,
    waiting: Arc<Waiting>,
    colours: bool,
    screen: Option<Screen>,
    /// Lines to be written together, where there is no screen.
    batch: String,
}

impl Writer {
    fn run(mut self) {
        loop {
            let message = match &mut self.screen {
                Some(screen) => match screen.due() {
                    Some(Duration::ZERO) => {
                        screen.measure();
                        screen.paint();
                        continue;
                    }
                    due => self.messages.recv_timeout(due.unwrap_or(MEASURE)),
                },
                None if self.batch.is_empty() => {
                    self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
                }
                None => self.messages.recv_timeout(Duration::ZERO),
            };
            match message {
                Ok(Message::Line(line)) => self.line(&line),
                Ok(Message::Show(table)) => self.show(table),
                Ok(Message::End(done)) => {
                    self.screen = None;
                    self.write_batch();
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => match &mut self.screen {
                    Some(screen) => screen.measure(),
                    None => self.write_batch(),
                },
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        self.put(line);
        let lost = self.waiting.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.put(&format!("({lost} lines are missing here: nobody read them)"));
        }
    }

    fn put(&mut self, line: &str) {
        if let Some(screen) = &mut self.screen {
            screen.line(line);
            return;
        }
        self.batch.push_str(line);
        self.batch.push('\n');
        if self.batch.len() > BATCH {
            self.write_batch();
        }
    }

    fn write_batch(&mut self) {
        if !self.batch.is_empty() {
            write(&self.batch);
            self.batch.clear();
        }
    }

    fn show(&mut self, table: Option<Table>) {
        self.write_batch();
        match (&mut self.screen, table) {
            (Some(screen), Some(table)) => screen.show(table),
            (None, Some(table)) => self.screen = Some(Screen::open(table, self.colours)),
            (_, None) => self.screen = None,
        }
    }
}
