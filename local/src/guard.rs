//! The guard: a process of its own that outlives a killed platform just long enough to leave no orphan behind.
//! This side starts it and tells it of every process group. Knows nothing of revisions.
//!
//! The guard reads a pipe whose only writer is this process; the kernel closes it whatever this process dies of. See
//! [`guard_main`] for the other side.

mod child;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use child::guard_main;

/// The variable that marks every process of one instance, whatever process group or session it moved to.
pub(crate) const MARKER: &str = "FOREBAY_INSTANCE";

/// How the guard is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
}

/// Words for the guard. Cheap to clone; it does its work when the last one is gone, or the process is.
#[derive(Debug, Clone)]
pub(crate) struct Guard(mpsc::UnboundedSender<Word>);

#[derive(Debug, Clone, Copy)]
enum Word {
    /// This process group lives.
    Group(i32),
    /// It is gone; its number may belong to others now.
    Forget(i32),
}

impl Guard {
    /// Starts the guard. The handle ends when the guard has: after the last [`Guard`] is dropped and nothing is left.
    pub(crate) fn start(program: Program, marker: String) -> io::Result<(Self, JoinHandle<()>)> {
        let child = spawn(&program)?;
        let (words, inbox) = mpsc::unbounded_channel();
        Ok((Self(words), tokio::spawn(talk(program, marker, child, inbox))))
    }

    pub(crate) fn group(&self, group: i32) {
        // The talker ends only after every sender, or with its runtime: then nobody is left to care.
        let _ = self.0.send(Word::Group(group));
    }

    pub(crate) fn forget(&self, group: i32) {
        let _ = self.0.send(Word::Forget(group));
    }
}

/// Passes words on; starts another guard should this one be killed.
async fn talk(program: Program, marker: String, mut child: Child, mut inbox: mpsc::UnboundedReceiver<Word>) {
    let mut groups = BTreeSet::new();
    loop {
        match converse(&marker, &mut child, &mut inbox, &mut groups).await {
            Ok(()) => {
                // The pipe is closed by now. The guard ends when nothing is left to kill, or by its own deadline.
                let _ = child.wait().await;
                return;
            }
            Err(e) => tracing::warn!("the guard process ended ({e}); starting another"),
        }
        drop(child);
        child = loop {
            match spawn(&program) {
                Ok(child) => break child,
                Err(e) => {
                    tracing::warn!("cannot start the guard process {}: {e}", program.path.display());
                    tokio::time::sleep(RESTART).await;
                    if inbox.is_closed() && inbox.is_empty() {
                        return;
                    }
                }
            }
        };
    }
}

/// Talks to one guard until there is nothing more to say (`Ok`) or it is gone.
async fn converse(
    marker: &str,
    child: &mut Child,
    inbox: &mut mpsc::UnboundedReceiver<Word>,
    groups: &mut BTreeSet<i32>,
) -> io::Result<()> {
    let mut pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut text = format!("{MARKER}={marker}\n");
    text.extend(groups.iter().map(|group| format!("+{group}\n")));
    loop {
        pipe.write_all(text.as_bytes()).await?;
        let word = tokio::select! {
            word = inbox.recv() => word,
            status = child.wait() => return Err(io::Error::other(status?.to_string())),
        };
        text = match word {
            None => return Ok(()),
            Some(Word::Group(group)) => {
                groups.insert(group);
                format!("+{group}\n")
            }
            Some(Word::Forget(group)) => {
                groups.remove(&group);
                format!("-{group}\n")
            }
        };
    }
}

fn spawn(program: &Program) -> io::Result<Child> {
    Command::new(&program.path)
        // Not this binary's name: who kills everything called `forebay` at once should not hit the guard first.
        .arg0(NAME)
        .args(&program.args)
        // A Forebay run by a replica of another Forebay: the outer guard must not take the inner one for an orphan.
        .env_remove(MARKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .spawn()
}

/// What the guard is called in lists of processes.
pub(crate) const NAME: &str = "frb-guard";
/// Between attempts to start another guard.
const RESTART: Duration = Duration::from_secs(1);
