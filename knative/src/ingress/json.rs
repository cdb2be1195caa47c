//! JSON as Go's `encoding/json` writes it, and the hash Knative takes over it. Knows nothing of what is written.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};
use sha2::{Digest, Sha256};

use crate::key::Key;

/// Bytes of `value` as Go's `json.Marshal` gives them.
pub(super) fn to_go<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Go(CompactFormatter));
    match value.serialize(&mut serializer) {
        Ok(()) => out,
        // Neither a Vec nor maps with string keys can fail to be written.
        Err(error) => unreachable!("{error}"),
    }
}

/// SHA-256 over Go's JSON, namespace and name, in lower-case hex.
pub(super) fn hash<T: Serialize>(spec: &T, key: &Key) -> String {
    let mut sha = Sha256::new();
    sha.update(to_go(spec));
    sha.update(key.namespace.as_bytes());
    sha.update(key.name.as_bytes());
    sha.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        hex
    })
}

/// serde_json's compact form, with the characters escaped that Go escapes for the sake of HTML and JavaScript.
struct Go(CompactFormatter);

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices() {
            let escaped = match c {
                '<' => "\\u003c",
                '>' => "\\u003e",
                '&' => "\\u0026",
                '\u{2028}' => "\\u2028",
                '\u{2029}' => "\\u2029",
                _ => continue,
            };
            self.0.write_string_fragment(writer, &fragment[from..at])?;
            writer.write_all(escaped.as_bytes())?;
            from = at + c.len_utf8();
        }
        self.0.write_string_fragment(writer, &fragment[from..])
    }
}
