//! The live table on a terminal. Knows nothing of where its rows come from.

/// Runs `print`, which writes a line, above the table.
pub(crate) fn above(print: impl FnOnce()) {
    print();
}
