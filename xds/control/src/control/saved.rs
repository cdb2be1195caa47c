//! Objects as records of the state directory, and back. Knows nothing of files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_knative::api::Kind;
use forebay_knative::world::Stored;
use forebay_knative::{Key, RevisionKey};
use serde::{Deserialize, Serialize};

use super::{Control, Folders};
use crate::declared::Id;
use crate::state::Record;

/// One record: an object, and what only a source knows of it.
#[derive(Serialize, Deserialize)]
struct Saved {
    kind: Kind,
    key: Key,
    object: Stored,
    /// What the manifest said when it was last applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    prints: Vec<u64>,
    /// Of a revision: the folder of the manifest it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home: Option<PathBuf>,
}

/// What the records of a state directory say besides the objects.
#[derive(Default)]
pub(super) struct Others {
    pub(super) prints: HashMap<Id, Vec<u64>>,
    pub(super) homes: HashMap<RevisionKey, Arc<Path>>,
    folders: Folders,
    /// Records that could not be read.
    pub(super) problems: Vec<String>,
}

impl Others {
    /// The object of a record; what else it says is kept here.
    pub(super) fn take(&mut self, record: &Record) -> Option<Stored> {
        match serde_json::from_slice(record.bytes.as_deref()?) {
            Ok(Saved { kind, key, object, prints, home }) => {
                if let Some(home) = home {
                    self.homes.insert(key.clone().into_revision(), self.folders.one(&home));
                }
                if !prints.is_empty() {
                    self.prints.insert((kind, key), prints);
                }
                Some(object)
            }
            Err(error) => {
                self.problems.push(format!("state of {} is lost: {error}", record.name));
                None
            }
        }
    }
}

impl Control {
    pub(super) fn record(&self, kind: Kind, key: &Key) -> Record {
        let name = Record::name(kind.as_str(), &key.namespace, &key.name);
        let saved = self.world.stored(kind, key).map(|object| Saved {
            kind,
            key: key.clone(),
            object,
            prints: self.declared.prints(&(kind, key.clone())).to_vec(),
            home: match kind {
                Kind::Revision => {
                    let known = self.revisions.get(&key.clone().into_revision());
                    known.map(|known| known.home.to_path_buf())
                }
                _ => None,
            },
        });
        let bytes = saved.and_then(|saved| match serde_json::to_vec(&saved) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::warn!(%kind, %key, %error, "state cannot be written down");
                None
            }
        });
        Record { name, bytes }
    }
}
