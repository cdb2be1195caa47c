//! What every object carries: names, identity, versions, labels and annotations.
//! Knows nothing of the kinds that carry it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Metadata of a stored object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    pub name: Arc<str>,
    pub namespace: Arc<str>,
    pub uid: Uid,
    /// Counts changes of the spec, from 1.
    pub generation: u64,
    /// Grows with every change of any object in the store, status included.
    pub resource_version: u64,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub labels: Pairs,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub annotations: Pairs,
}

/// Labels or annotations: sorted, and shared. Most objects have none, most others one or two, and there are thousands: a
/// map's smallest node would be half a KiB for each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Option<Arc<List>>);

/// Behind a pointer that is one word wide: of the six that a Service comes with, four are empty.
#[derive(PartialEq, Eq)]
struct List(Box<[Pair]>);

type Pair = (Box<str>, Box<str>);

impl Pairs {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|list| list.0.iter()).map(|(key, value)| (&**key, &**value))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let List(pairs) = self.0.as_deref()?;
        let at = pairs.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        Some(&pairs[at].1)
    }

    /// The same pairs with those of `more` laid over them.
    #[must_use]
    pub fn with<K: Into<String>, V: Into<String>>(&self, more: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut map: BTreeMap<String, String> =
            self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        map.extend(more.into_iter().map(|(k, v)| (k.into(), v.into())));
        Self::from(map)
    }

    /// The value of the first of `keys` that is set: Knative's aliases, the preferred spelling first.
    pub fn first<'a>(&'a self, keys: &[&'a str]) -> Option<(&'a str, &'a str)> {
        keys.iter().find_map(|&key| self.get(key).map(|value| (key, value)))
    }
}

impl From<BTreeMap<String, String>> for Pairs {
    fn from(map: BTreeMap<String, String>) -> Self {
        let some = !map.is_empty();
        let list = |map: BTreeMap<String, String>| {
            map.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
        };
        Self(some.then(|| Arc::new(List(list(map)))))
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer).map(Self::from)
    }
}

/// Identity of one object's life: an object deleted and created again under its name has another. Shown as a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(pub u128);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            n >> 96,
            (n >> 80) & 0xffff,
            (n >> 64) & 0xffff,
            (n >> 48) & 0xffff,
            n & 0xffff_ffff_ffff
        )
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&hex, 16).map(Self).map_err(serde::de::Error::custom)
    }
}
