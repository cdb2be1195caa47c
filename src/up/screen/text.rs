//! Text on a terminal: how wide it is, and what of it is safe to show. Knows nothing of tables.

/// Columns that a text takes. Simple: East Asian wide characters and emoji take two, combining marks none, others one.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

fn columns(c: char) -> usize {
    match u32::from(c) {
        0..=0x1f | 0x7f..=0x9f => 0,
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text in at most `columns` columns; what is cut off leaves an ellipsis.
pub(super) fn crop(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let own = self::columns(*c);
        let fits = own <= left;
        left = left.saturating_sub(own);
        fits
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// A line that somebody else wrote, without what would move the cursor. Colours stay, and end with the line.
pub(crate) fn clean(line: &str) -> String {
    if !line.contains(|c: char| c.is_control()) {
        return line.to_owned();
    }
    let mut clean = String::with_capacity(line.len());
    let mut coloured = false;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let escape = if c == '\x1b' { escape(rest) } else { "" };
        if !escape.is_empty() {
            if escape.ends_with('m') {
                clean.push_str(escape);
                coloured = true;
            }
            rest = rest.get(escape.len()..).unwrap_or_default();
            continue;
        }
        match c {
            '\t' => clean.push_str("    "),
            c if c.is_control() => {}
            c => clean.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    if coloured {
        clean.push_str("\x1b[0m");
    }
    clean
}

/// The control sequence (`ESC [ ... letter`) or the system command (`ESC ] ... BEL`) at the start, if one is complete.
fn escape(text: &str) -> &str {
    let end = match text.as_bytes().get(1) {
        Some(b'[') => text.bytes().skip(2).position(|b| (0x40..=0x7e).contains(&b)),
        Some(b']') => text.bytes().skip(2).position(|b| b == 0x07),
        _ => None,
    };
    end.and_then(|at| text.get(..at + 3)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
