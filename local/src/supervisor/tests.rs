//! What a revision costs that does nothing.

use super::*;

#[test]
fn an_idle_revision_is_small() {
    let size = size_of::<(RevisionKey, Entry)>();
    // At worst a hash table is just over 7/16 full, and has one byte of its own per place. What the pointers lead to is
    // shared with the world of objects.
    let worst = (size + 1) * 16 / 7;
    assert!(worst < 600, "{worst} bytes, of which {size} for one entry");
}
