//! When to look at files: a moment after the last sign that something happened. Knows nothing of what is in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::EventKind;

use super::files::{Files, Look};

/// After so long without a sign a save is over: editors' steps follow each other within a millisecond.
const QUIET: Duration = Duration::from_millis(10);
/// A file that never rests is looked at all the same after this.
const PATIENCE: Duration = Duration::from_millis(100);
/// What seems gone or empty is looked at again after this.
const DOUBT: Duration = Duration::from_millis(100);
/// How often somebody who waits for signs looks whether anybody still listens.
const IDLE: Duration = Duration::from_secs(1);

/// Looks at everything once, then at what is said to have changed, until nobody listens or nobody watches.
pub(super) fn run(mut files: Files, signs: &Receiver<notify::Result<notify::Event>>) {
    files.begin();
    let mut pending: BTreeMap<PathBuf, Pending> = BTreeMap::new();
    while files.is_heard() {
        let due = pending.values().map(Pending::due).min();
        let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        match signs.recv_timeout(wait) {
            Ok(Ok(event)) => note(&files, event, &mut pending),
            Ok(Err(error)) => {
                tracing::warn!(%error, "watching manifests: looking at all of them");
                files.all().into_iter().for_each(|path| mark(&mut pending, path));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        let ripe: Vec<PathBuf> =
            pending.iter().filter(|(_, p)| p.due() <= now).map(|(path, _)| path.clone()).collect();
        for path in ripe {
            let sure = pending.remove(&path).is_some_and(|pending| pending.doubted);
            if files.look(&path, sure) == Look::Doubtful {
                pending.insert(path, Pending { first: now, last: now, doubted: true });
            }
        }
    }
}

/// A file that something happened to.
struct Pending {
    first: Instant,
    last: Instant,
    /// It has been looked at and was not there, or was empty.
    doubted: bool,
}

impl Pending {
    fn due(&self) -> Instant {
        match self.doubted {
            true => self.first + DOUBT,
            false => (self.last + QUIET).min(self.first + PATIENCE),
        }
    }
}

fn note(files: &Files, event: notify::Event, pending: &mut BTreeMap<PathBuf, Pending>) {
    // Our own reading is an access, too.
    if matches!(event.kind, EventKind::Access(access) if !access_wrote(access)) {
        return;
    }
    if event.need_rescan() {
        files.all().into_iter().for_each(|path| mark(pending, path));
        return;
    }
    for path in event.paths {
        if files.has(&path) {
            mark(pending, path);
        } else if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"..")) {
            // A mounted ConfigMap changes by turning the link `..data`: every file may be another one now.
            files.all().into_iter().for_each(|path| mark(pending, path));
        }
    }
}

fn access_wrote(access: notify::event::AccessKind) -> bool {
    matches!(access, notify::event::AccessKind::Close(notify::event::AccessMode::Write))
}

fn mark(pending: &mut BTreeMap<PathBuf, Pending>, path: PathBuf) {
    let now = Instant::now();
    let entry = pending.entry(path).or_insert(Pending { first: now, last: now, doubted: false });
    entry.last = now;
    // A new sign ends the doubt: there is something to look at.
    if entry.doubted {
        *entry = Pending { first: now, last: now, doubted: false };
    }
}
