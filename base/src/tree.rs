//! A sorted map for thousands of entries that stay: a [`BTreeMap`] that is built anew when it has grown, since the nodes of one
//! that grew entry by entry are little more than half full. Knows nothing of what it holds.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Deref, DerefMut};

/// Everything that a [`BTreeMap`] can do, with an [`insert`](Self::insert) that keeps its nodes full. Who inserts by
/// [`entry`](BTreeMap::entry) calls [`pack`](Self::pack) before or after it.
#[derive(Debug, Clone)]
pub struct Tree<K, V> {
    map: BTreeMap<K, V>,
    /// Entries that are in full nodes, about.
    packed: usize,
}

/// A tree of so few entries more than it was built with is left alone.
const FEW: usize = 64;

impl<K, V> Tree<K, V> {
    /// An empty one.
    pub const fn new() -> Self {
        Self { map: BTreeMap::new(), packed: 0 }
    }
}

impl<K: Ord, V> Tree<K, V> {
    /// As [`BTreeMap::insert`].
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = self.map.insert(key, value);
        self.pack();
        old
    }

    /// Fills the nodes, if there is an eighth more than last time: so an entry is moved some eight times, however many there
    /// will be.
    pub fn pack(&mut self) {
        let len = self.map.len();
        self.packed = self.packed.min(len);
        if len > self.packed + self.packed / 8 + FEW {
            self.map = std::mem::take(&mut self.map).into_iter().collect();
            self.packed = len;
        }
    }
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Tree<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map
    }
}

impl<K: Eq, V: Eq> Eq for Tree<K, V> {}

impl<K, V> Deref for Tree<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.map
    }
}

impl<K, V> DerefMut for Tree<K, V> {
    fn deref_mut(&mut self) -> &mut BTreeMap<K, V> {
        &mut self.map
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Tree<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let map: BTreeMap<K, V> = entries.into_iter().collect();
        Self { packed: map.len(), map }
    }
}

impl<'t, K, V> IntoIterator for &'t Tree<K, V> {
    type Item = (&'t K, &'t V);
    type IntoIter = btree_map::Iter<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.map.iter()
    }
}

impl<'t, K, V> IntoIterator for &'t mut Tree<K, V> {
    type Item = (&'t K, &'t mut V);
    type IntoIter = btree_map::IterMut<'t, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.map.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_a_map_holds_whatever_comes_and_goes() {
        let (mut tree, mut map) = (Tree::new(), BTreeMap::new());
        let mut number = 1u32;
        for _ in 0..20_000 {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, value) = (number >> 21, number);
            if number & 3 == 0 {
                assert_eq!(tree.remove(&key), map.remove(&key));
            } else {
                assert_eq!(tree.insert(key, value), map.insert(key, value));
            }
        }
        assert_eq!(*tree, map);
        assert_eq!(tree, map.into_iter().collect());
    }

    #[test]
    fn an_entry_is_moved_a_bounded_number_of_times() {
        let (mut tree, mut moved, mut packed) = (Tree::new(), 0, 0);
        for key in 0..10_000 {
            tree.insert(key, ());
            if tree.packed != packed {
                (moved, packed) = (moved + tree.packed, tree.packed);
            }
        }
        assert!(packed > 10_000 * 8 / 9 - FEW, "{packed} of 10,000 are in full nodes");
        assert!(moved < 10_000 * 10, "{moved} moves");
        // One that shrank and grows again is packed again.
        tree.retain(|key, ()| *key < 100);
        (100..10_000).for_each(|key| _ = tree.insert(key, ()));
        assert!(tree.packed > 10_000 * 8 / 9 - FEW);
    }
}
