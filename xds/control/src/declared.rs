//! Who declares what: which file an object stands in, and what it said of it. Knows nothing of what became of it.
//!
//! An object belongs to the first file that declares it, until that file does so no longer. Documents of one object in one
//! file are applied in order, as `kubectl` would, and not again as long as they stay the same: applying two that differ
//! once more would make a new revision of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use forebay_base::tree::Tree;
use forebay_knative::Key;
use forebay_knative::api::Kind;
use forebay_knative::manifest::Document;

/// What an object is called.
pub(crate) type Id = (Kind, Key);

/// What to do about a file that changed, in order.
#[derive(Debug)]
pub(crate) enum Step {
    /// Apply this document of this file.
    Apply(Arc<Path>, Box<Document>),
    /// Nobody declares this any more.
    Delete(Id),
    /// This document of this file declares what the other file has declared before.
    Taken { path: Arc<Path>, line: u32, id: Id, by: Arc<Path> },
}

/// All declarations.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    objects: Tree<Id, Object>,
    /// By file, the objects it declares, its own or not.
    files: BTreeMap<Arc<Path>, BTreeSet<Id>>,
    /// The documents of files that came too late for an object, in the order the files came.
    shadows: HashMap<Id, Vec<Shadow>>,
}

/// What a file that came too late says of an object.
type Shadow = (Arc<Path>, Vec<Document>);

#[derive(Debug, Default)]
struct Object {
    /// Whose it is. `None`: known from before a restart, and not yet seen again.
    file: Option<Arc<Path>>,
    /// What the file's documents of it were when they were last applied, in order.
    prints: Box<[u64]>,
}

impl Declared {
    /// An object is known from before a restart, together with what was last applied.
    pub(crate) fn restore(&mut self, id: Id, prints: Vec<u64>) {
        self.objects.insert(id, Object { file: None, prints: prints.into() });
    }

    /// A file declares these, and nothing else.
    pub(crate) fn file(&mut self, path: &Arc<Path>, documents: Vec<Document>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut by_id: BTreeMap<Id, Vec<Document>> = BTreeMap::new();
        // Documents are applied in the order of the file, objects do not gather at their first one.
        let mut order: Vec<(Id, usize)> = Vec::new();
        for document in documents {
            let id = (document.object.kind(), document.object.key());
            let of_id = by_id.entry(id.clone()).or_default();
            order.push((id, of_id.len()));
            of_id.push(document);
        }
        let before = self.files.insert(path.clone(), by_id.keys().cloned().collect()).unwrap_or_default();
        let mut from: BTreeMap<Id, usize> = BTreeMap::new();
        for (id, documents) in &by_id {
            match self.claim(path, id, documents) {
                Claim::From(first) => drop(from.insert(id.clone(), first)),
                Claim::Taken(by, true) => steps.push(Step::Taken {
                    path: path.clone(),
                    line: documents.first().map_or(0, |document| document.line),
                    id: id.clone(),
                    by,
                }),
                Claim::Taken(_, false) => {}
            }
        }
        let mut queues: BTreeMap<Id, std::vec::IntoIter<Document>> =
            by_id.into_iter().map(|(id, documents)| (id, documents.into_iter())).collect();
        for (id, index) in order {
            let Some(document) = queues.get_mut(&id).and_then(Iterator::next) else { continue };
            if from.get(&id).is_some_and(|first| index >= *first) {
                steps.push(Step::Apply(path.clone(), Box::new(document)));
            }
        }
        let declared = self.files.get(path).cloned().unwrap_or_default();
        steps.extend(before.difference(&declared).flat_map(|id| self.leave(path, id)).collect::<Vec<_>>());
        steps
    }

    /// A file is gone.
    pub(crate) fn gone(&mut self, path: &Arc<Path>) -> Vec<Step> {
        let before = self.files.remove(path).unwrap_or_default();
        before.iter().flat_map(|id| self.leave(path, id)).collect()
    }

    /// Every file has been told of: what is known from before and was not seen is not declared any more.
    pub(crate) fn settled(&mut self) -> Vec<Step> {
        let orphan = |(id, object): (&Id, &Object)| object.file.is_none().then(|| id.clone());
        let orphans: Vec<Id> = self.objects.iter().filter_map(orphan).collect();
        orphans.iter().for_each(|id| drop(self.objects.remove(id)));
        orphans.into_iter().map(Step::Delete).collect()
    }

    /// What a file said of an object was refused: it is to be applied again whenever the file is seen.
    pub(crate) fn refused(&mut self, id: &Id) {
        if let Some(object) = self.objects.get_mut(id) {
            object.prints = Box::default();
        }
    }

    /// The file that an object stands in.
    pub(crate) fn file_of(&self, id: &Id) -> Option<&Arc<Path>> {
        self.objects.get(id)?.file.as_ref()
    }

    /// What was last applied of an object, to be remembered over a restart.
    pub(crate) fn prints(&self, id: &Id) -> &[u64] {
        self.objects.get(id).map_or(&[], |object| &object.prints)
    }

    fn claim(&mut self, path: &Arc<Path>, id: &Id, documents: &[Document]) -> Claim {
        if !self.objects.contains_key(id) {
            self.objects.insert(id.clone(), Object::default());
        }
        let object = self.objects.entry(id.clone()).or_default();
        match &object.file {
            Some(owner) if owner != path => {
                let owner = owner.clone();
                let shadows = self.shadows.entry(id.clone()).or_default();
                match shadows.iter_mut().find(|(file, _)| file == path) {
                    Some((_, shadow)) => {
                        *shadow = documents.to_vec();
                        return Claim::Taken(owner, false);
                    }
                    None => shadows.push((path.clone(), documents.to_vec())),
                }
                return Claim::Taken(owner, true);
            }
            _ => object.file = Some(path.clone()),
        }
        let prints: Box<[u64]> = documents.iter().map(|document| document.object.print()).collect();
        let same = object.prints.iter().zip(&prints).take_while(|(a, b)| a == b).count();
        let first = match object.prints == prints {
            true => prints.len(),
            // What was applied last may be no longer there: then the last that is there has to be applied again.
            false => same.min(prints.len().saturating_sub(1)),
        };
        object.prints = prints;
        Claim::From(first)
    }

    /// A file declares an object no longer: the next file that does has it, or it is deleted.
    fn leave(&mut self, path: &Arc<Path>, id: &Id) -> Vec<Step> {
        let Some(object) = self.objects.get_mut(id) else { return Vec::new() };
        let shadows = self.shadows.get_mut(id);
        if object.file.as_ref() != Some(path) {
            if let Some(shadows) = shadows {
                shadows.retain(|(file, _)| file != path);
                if shadows.is_empty() {
                    self.shadows.remove(id);
                }
            }
            return Vec::new();
        }
        let Some(shadows) = shadows else {
            self.objects.remove(id);
            return vec![Step::Delete(id.clone())];
        };
        let (heir, documents) = shadows.remove(0);
        if shadows.is_empty() {
            self.shadows.remove(id);
        }
        object.prints = documents.iter().map(|document| document.object.print()).collect();
        object.file = Some(heir.clone());
        documents.into_iter().map(|document| Step::Apply(heir.clone(), Box::new(document))).collect()
    }
}

/// Whose an object is.
enum Claim {
    /// The file's own; its documents from this one on are to be applied.
    From(usize),
    /// Another's; whether that is news.
    Taken(Arc<Path>, bool),
}

#[cfg(test)]
mod tests;
