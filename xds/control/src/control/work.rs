//! What a change means for others: revisions to run, lines for people, records to keep.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use forebay_knative::RevisionKey;
use forebay_knative::api::{Revision, RevisionState};
use forebay_knative::world::{Note, Severity};

use crate::state::Record;

/// What is to be done after a change, each part in order.
#[derive(Debug, Default)]
pub struct Work {
    /// Revisions that came, changed or went.
    pub runs: Vec<Run>,
    /// What people should read.
    pub lines: Vec<Line>,
    /// What the state directory should hold.
    pub records: Vec<Record>,
    /// The store's number to wait for until every proxy obeys, if it was written to.
    pub seq: Option<u64>,
}

/// A revision for the platform and the autoscaler.
#[derive(Debug, Clone)]
pub struct Run {
    /// Which.
    pub key: RevisionKey,
    /// What to run; `None`: nothing any more.
    pub revision: Option<Arc<Revision>>,
    /// Some Route leads to it, or may once it is ready.
    pub reachable: bool,
    /// How far it has come.
    pub state: RevisionState,
    /// The folder of the manifest it came from, which its relative commands mean.
    pub home: Arc<Path>,
}

/// A line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How bad it is.
    pub level: Level,
    /// Where it stands, if it stands anywhere: a file, and a line in it (0: the file as a whole).
    pub place: Option<(Arc<Path>, u32)>,
    /// What there is to say.
    pub text: String,
}

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It went as it should.
    Info,
    /// It works, and is not what somebody meant.
    Warning,
    /// It was refused; what was there before stays.
    Error,
}

impl Line {
    pub(super) fn new(level: Level, text: impl Into<String>) -> Self {
        Line { level, place: None, text: text.into() }
    }

    pub(super) fn at(mut self, path: &Arc<Path>, line: u32) -> Self {
        self.place = Some((path.clone(), line));
        self
    }
}

impl From<Note> for Line {
    fn from(note: Note) -> Self {
        let level = match note.severity {
            Severity::Info => Level::Info,
            Severity::Warning => Level::Warning,
        };
        Line::new(level, format!("{} {}: {}", note.kind, note.key, note.message))
    }
}

impl fmt::Display for Line {
    /// `app.yaml:12: what is wrong`, as compilers say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((path, 0)) => write!(f, "{}: ", path.display())?,
            Some((path, line)) => write!(f, "{}:{line}: ", path.display())?,
            None => {}
        }
        f.write_str(&self.text)
    }
}
