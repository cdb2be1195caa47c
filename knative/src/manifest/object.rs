//! One object of a manifest, kept as the place in the text where it stands: a manifest of thousands is applied one by one,
//! and only the one at hand is a tree. Knows nothing of Knative's rules.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::chunks::Chunk;
use super::draft::Draft;
use super::{MAX_REPEATED, Node, read, roots};
use crate::api::Kind;
use crate::key::Key;

/// An object as it was written: read, but neither defaulted nor validated. [`crate::World::apply`] does that.
#[derive(Clone)]
pub struct Object {
    kind: Kind,
    key: Key,
    print: u64,
    source: Source,
}

#[derive(Clone)]
enum Source {
    /// The only object of this part of the text.
    Text { text: Arc<str>, from: usize, to: usize },
    /// One of several.
    Whole(Box<Draft>),
}

impl Object {
    pub(super) fn at(text: &Arc<str>, chunk: &Chunk, draft: &Draft) -> Self {
        let (from, to) = (chunk.bytes.start, chunk.bytes.end);
        let source = Source::Text { text: Arc::clone(text), from, to };
        Self { kind: draft.kind(), key: draft.metadata().key(), print: print(draft), source }
    }

    pub(super) fn whole(draft: Draft) -> Self {
        let (kind, key, print) = (draft.kind(), draft.metadata().key(), print(&draft));
        Self { kind, key, print, source: Source::Whole(Box::new(draft)) }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its namespace (`default` if it names none) and name (empty if it has none, which no store accepts).
    pub fn key(&self) -> Key {
        self.key.clone()
    }

    /// What tells it from another object of its name. Good for comparing, not for anything that has to stay over versions
    /// of this program.
    pub fn print(&self) -> u64 {
        self.print
    }

    /// All of it. `None` only if the text could be read once and cannot be read again.
    pub(crate) fn into_draft(self) -> Option<Draft> {
        match self.source {
            Source::Whole(draft) => Some(*draft),
            Source::Text { text, from, to } => {
                let roots = roots(text.get(from..to)?, &mut { MAX_REPEATED }).ok()?;
                let (draft, _) = read(roots.iter().flat_map(Node::objects).next()?).ok()?;
                Some(draft)
            }
        }
    }
}

fn print(draft: &Draft) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{draft:?}").hash(&mut hasher);
    hasher.finish()
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clone().into_draft().fmt(f)
    }
}
