//! A worker thread: accept, codec, match, admit, pick, forward, record.
