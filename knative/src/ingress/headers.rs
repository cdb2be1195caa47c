//! Small sorted header tables: names and values to set, names and values to ask for.
//! Knows nothing of which headers Knative uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Headers to set, sorted by name. Shared: one word and a length wide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Box<[(Arc<str>, Arc<str>)]>);

/// Headers a request must have, each with exactly this value, sorted by name. In JSON `{name: {"exact": value}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderMatches(Box<[(Arc<str>, Arc<str>)]>);

#[derive(Serialize, Deserialize)]
struct Exact<T> {
    exact: T,
}

impl Headers {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl HeaderMatches {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and wanted value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

fn sorted(pairs: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Box<[(Arc<str>, Arc<str>)]> {
    let mut pairs: Box<[_]> = pairs.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs
}

impl FromIterator<(Arc<str>, Arc<str>)> for Headers {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Arc<str>)>>(pairs: T) -> Self {
        Self(sorted(pairs))
    }
}

impl FromIterator<(Arc<str>, Arc<str>)> for HeaderMatches {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Arc<str>)>>(pairs: T) -> Self {
        Self(sorted(pairs))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for HeaderMatches {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &Exact { exact: value })?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<Arc<str>, Arc<str>>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for HeaderMatches {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<Arc<str>, Exact<Arc<str>>>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(name, exact)| (name, exact.exact)).collect())
    }
}
