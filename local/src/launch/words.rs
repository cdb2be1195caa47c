//! A command line's words, split as a POSIX shell would. Knows nothing of variables, globs or pipes.

/// A quote or backslash that is never closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclosed {
    /// `\` at the end.
    Backslash,
    /// `"`.
    Double,
    /// `'`.
    Single,
}

impl std::fmt::Display for Unclosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unclosed::Backslash => "it ends in a backslash",
            Unclosed::Double => "a \" is never closed",
            Unclosed::Single => "a ' is never closed",
        })
    }
}

/// Splits at blanks. `'…'` keeps everything; `"…"` keeps all but `\"`, `\\`, `` \` ``, `\$`; `\c` is `c`.
///
/// # Errors
/// What is begun at the end and not closed.
pub fn split(line: &str) -> Result<Vec<String>, Unclosed> {
    let mut words = Vec::new();
    // A word may be empty (`''`), so "no word yet" is not the empty string.
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(Unclosed::Single)? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or(Unclosed::Double)? {
                        '"' => break,
                        '\\' => match chars.next().ok_or(Unclosed::Double)? {
                            c @ ('"' | '\\' | '`' | '$') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(Unclosed::Backslash)?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_a_shell_does() {
        for (line, words) in [
            ("./hello --v1", &["./hello", "--v1"][..]),
            ("  a\t b  ", &["a", "b"]),
            ("", &[]),
            ("sh -c 'echo \"$PORT\"; exec x'", &["sh", "-c", "echo \"$PORT\"; exec x"]),
            (r#"a "b \"c\" \d" e\ f"#, &["a", r#"b "c" \d"#, "e f"]),
            ("a '' b", &["a", "", "b"]),
            ("--x='1 2'\"3\"4", &["--x=1 234"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn names_what_is_unclosed() {
        assert_eq!(split("a 'b"), Err(Unclosed::Single));
        assert_eq!(split("a \"b"), Err(Unclosed::Double));
        assert_eq!(split("a \"b\\"), Err(Unclosed::Double));
        assert_eq!(split("a\\"), Err(Unclosed::Backslash));
    }
}
