//! Names of objects: a namespace and a name, cheap to clone, to hash and to sort.
//! Knows nothing of what the object is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names one object of a kind the context tells. Shown as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

/// Names one Revision. A type of its own, since revisions are what the data plane, the autoscaler and the platform
/// talk about. Shown as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RevisionKey {
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The same namespace and name, said of a revision.
    pub fn into_revision(self) -> RevisionKey {
        RevisionKey { namespace: self.namespace, name: self.name }
    }
}

impl RevisionKey {
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for RevisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
