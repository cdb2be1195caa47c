//! Bytes to lines that are safe to show. Knows nothing of where they come from.

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The line that has no end yet; shorter than [`LONGEST`].
    partial: Vec<u8>,
}

impl Lines {
    /// The lines completed by `chunk`. A line longer than 16 KiB comes in pieces.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for piece in chunk.split_inclusive(|&b| b == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let mut text = text;
            while self.partial.len() + text.len() > LONGEST {
                let (head, tail) = text.split_at(LONGEST - self.partial.len());
                self.partial.extend_from_slice(head);
                complete.push(self.take());
                text = tail;
            }
            self.partial.extend_from_slice(text);
            if ended {
                complete.push(self.take());
            }
        }
        complete
    }

    /// What is left at the end of the stream: one line or none.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        if self.partial.is_empty() { Vec::new() } else { vec![self.take()] }
    }

    fn take(&mut self) -> String {
        let bytes = std::mem::take(&mut self.partial);
        shown(bytes.strip_suffix(b"\r").unwrap_or(&bytes))
    }
}

/// The text of a line without anything that could move a terminal's cursor: tabs and colours stay, other control
/// characters and invalid UTF-8 become U+FFFD.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(|c: char| c.is_control() && c != '\t') {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let (keep, length) = match c {
            '\x1b' => match colour(rest) {
                Some(length) => (true, length),
                None => (false, 1),
            },
            '\t' => (true, 1),
            c => (!c.is_control(), c.len_utf8()),
        };
        out.push_str(if keep { &rest[..length] } else { "\u{fffd}" });
        rest = &rest[length..];
    }
    out
}

/// The length of the colour sequence (`ESC [ … m`) that `text` begins with.
fn colour(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("\x1b[")?;
    let end = inner.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'))?;
    inner[end..].starts_with('m').then_some(2 + end + 1)
}

/// Bytes of one line on the screen, and of memory for one that never ends. Kubernetes cuts at the same length.
pub(crate) const LONGEST: usize = 16 << 10;
