//! The live table at the bottom of a terminal, and the lines that scroll above it. Owns what it has drawn and the terminal's
//! mode; knows nothing of where lines and rows come from.

pub(super) mod table;
pub(super) mod terminal;
mod text;

use std::time::{Duration, Instant};

pub(super) use table::Table;
pub(super) use text::clean;

/// Between two paintings, at least: more often is more than anybody reads, and a replica may log a thousand lines a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Fewer rows than this are all needed for lines.
const LEAST_HEIGHT: usize = 6;

/// What stands at the bottom of the terminal. Taken away again when dropped.
pub(super) struct Screen {
    table: Table,
    /// Lines that wait for the next painting.
    lines: String,
    /// Columns of each row drawn, from the top; the cursor stands in the last one.
    drawn: Vec<usize>,
    size: (usize, usize),
    painted: Option<Instant>,
    changed: bool,
    colours: bool,
    _quiet: Option<terminal::Quiet>,
}

impl Screen {
    pub(super) fn open(table: Table, colours: bool) -> Self {
        Self {
            table,
            lines: String::new(),
            drawn: Vec::new(),
            size: terminal::size(),
            painted: None,
            changed: true,
            colours,
            _quiet: terminal::Quiet::begin(),
        }
    }

    /// Adds a line to those above.
    pub(super) fn line(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
        self.changed = true;
    }

    /// Replaces the table; the same again changes nothing.
    pub(super) fn show(&mut self, table: Table) {
        self.changed |= table != self.table;
        self.table = table;
    }

    /// Asks the terminal how large it is; another size is a reason to paint.
    pub(super) fn measure(&mut self) {
        let size = terminal::size();
        self.changed |= size != self.size;
        self.size = size;
    }

    /// When to paint next; `None` while what is drawn is right.
    pub(super) fn due(&self) -> Option<Duration> {
        let rested = self.painted.map_or(PAUSE, |at| at.elapsed());
        self.changed.then(|| PAUSE.saturating_sub(rested))
    }

    /// Brings the terminal up to date in one write.
    pub(super) fn paint(&mut self) {
        let (width, height) = self.size;
        let mut out = self.erased();
        out.push_str(&self.lines);
        self.lines.clear();
        if height >= LEAST_HEIGHT {
            let rows = self.table.render(width, height, self.colours);
            // Without wrapping: a character wider than thought must not add a row.
            out.push_str("\x1b[?7l");
            for (at, row) in rows.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "\n" });
                out.push_str(&row.text);
            }
            out.push_str("\r\x1b[?7h");
            self.drawn = rows.iter().map(|row| row.width).collect();
        }
        terminal::write(&out);
        self.painted = Some(Instant::now());
        self.changed = false;
    }

    /// What takes the table away.
    fn erased(&mut self) -> String {
        let (width, _) = self.size;
        let above = rows_above(&self.drawn, width);
        let had = !self.drawn.is_empty();
        self.drawn.clear();
        match (had, above) {
            (false, _) => String::new(),
            (true, 0) => "\r\x1b[J".to_owned(),
            (true, n) => format!("\x1b[{n}A\r\x1b[J"),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = self.erased();
        out.push_str(&self.lines);
        terminal::write(&out);
    }
}

/// Rows from the top of what was drawn to the cursor, which is in its last row. A terminal that became narrower has broken
/// what was wider than itself into several rows.
fn rows_above(drawn: &[usize], width: usize) -> usize {
    let Some((_, above)) = drawn.split_last() else { return 0 };
    above.iter().map(|columns| columns.div_ceil(width.max(1)).max(1)).sum()
}

#[cfg(test)]
mod tests;
