//! A stream of documents, cut where one ends and the next begins, so that each can be read by itself: nothing in a YAML
//! document refers to another. Knows nothing of what is in them.

use std::ops::Range;

/// One document, with the directives and comments before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) bytes: Range<usize>,
    /// Lines before it.
    pub(super) lines: u32,
}

/// Every document of `text`, in order; their ranges follow each other from its beginning to its end.
pub(super) fn chunks(text: &str) -> impl Iterator<Item = Chunk> {
    let mut rest = Chunks { text, at: 0, lines: 0 };
    std::iter::from_fn(move || rest.next())
}

struct Chunks<'t> {
    text: &'t str,
    at: usize,
    lines: u32,
}

impl Chunks<'_> {
    fn next(&mut self) -> Option<Chunk> {
        let begin = Chunk { bytes: self.at..self.at, lines: self.lines };
        // What stands before the first `---` may be a document without one, or only comments and directives of that one.
        let mut begun = false;
        while let Some(line) = self.text[self.at..].split_inclusive('\n').next() {
            if is_marker(line, "---") {
                if begun {
                    break;
                }
                begun = true;
            } else if !is_prelude(line) {
                begun = true;
            }
            self.at += line.len();
            self.lines = self.lines.saturating_add(1);
            if is_marker(line, "...") {
                break;
            }
        }
        (self.at > begin.bytes.start).then_some(Chunk { bytes: begin.bytes.start..self.at, ..begin })
    }
}

/// YAML allows these at the beginning of a line nowhere but between documents, not even in quotes or block scalars.
fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_prelude(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#') || line.starts_with('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(&str, u32)> {
        chunks(text).map(|chunk| (&text[chunk.bytes], chunk.lines)).collect()
    }

    #[test]
    fn documents_end_where_the_next_begins() {
        assert_eq!(
            cut("a: 1\n---\nb: 2\n--- # c\nc: 3"),
            [("a: 1\n", 0), ("---\nb: 2\n", 1), ("--- # c\nc: 3", 3)]
        );
        assert_eq!(cut("a: 1\r\n---\r\nb: 2\r\n"), [("a: 1\r\n", 0), ("---\r\nb: 2\r\n", 1)]);
        assert_eq!(cut("---\n---\n"), [("---\n", 0), ("---\n", 1)]);
        assert!(cut("").is_empty());
    }

    #[test]
    fn what_stands_before_a_document_belongs_to_it() {
        assert_eq!(cut("# one\n\n---\na: 1\n"), [("# one\n\n---\na: 1\n", 0)]);
        assert_eq!(
            cut("a: 1\n...\n%YAML 1.2\n---\nb: 2\n"),
            [("a: 1\n...\n", 0), ("%YAML 1.2\n---\nb: 2\n", 2)]
        );
    }

    #[test]
    fn only_a_whole_word_at_the_beginning_of_a_line_is_a_marker() {
        for text in ["a: |\n  ---\n  b\n", "---a: 1\n", "a: 1\n ---\n", "----\n"] {
            assert_eq!(cut(text), [(text, 0)]);
        }
    }
}
