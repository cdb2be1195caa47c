//! Text as Go's `%q` writes it. Knows no messages.

use std::fmt::Write;

/// In quotes, with everything that is not plain text escaped.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a string does not fail.
            let _ = match c {
                '"' | '\\' => write!(out, "\\{c}"),
                '\u{7}' => out.write_str("\\a"),
                '\u{8}' => out.write_str("\\b"),
                '\u{c}' => out.write_str("\\f"),
                '\n' => out.write_str("\\n"),
                '\r' => out.write_str("\\r"),
                '\t' => out.write_str("\\t"),
                '\u{b}' => out.write_str("\\v"),
                c if u32::from(c) < 0x20 || c == '\u{7f}' => write!(out, "\\x{:02x}", u32::from(c)),
                c if u32::from(c) > 0xffff && c.is_control() => write!(out, "\\U{:08x}", u32::from(c)),
                c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)),
                c => out.write_char(c),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_not_plain_is_escaped() {
        let text = b"a\"\\\n\x00\x7f\xffgr\xc3\xbc\xc2\x85";
        assert_eq!(super::quote(text), r#""a\"\\\n\x00\x7f\xffgrü\u0085""#);
    }
}
