//! The terminal itself: size, mode, writing. Knows nothing of what is shown.

use std::io::{IsTerminal, Write, stdin, stdout};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

/// A terminal that does not know its size is a serial line of old.
const UNKNOWN: (usize, usize) = (80, 24);

/// Columns and rows.
pub(super) fn size() -> (usize, usize) {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => UNKNOWN,
    }
}

/// Whether escape sequences do what they should.
pub(crate) fn obeys() -> bool {
    let term = std::env::var_os("TERM");
    stdout().is_terminal() && term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether somebody wants colours; see no-color.org.
pub(crate) fn has_colours() -> bool {
    obeys() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

pub(super) fn write(text: &str) {
    let mut out = stdout().lock();
    // A terminal that is gone has nobody before it.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Keys are not echoed into the table while this lives.
pub(super) struct Quiet(Termios);

impl Quiet {
    /// `None` where there is nothing to be done, or where it is not ours to do: a background process that changes the mode
    /// of its terminal is stopped.
    pub(super) fn begin() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        is_foreground().then_some(())?;
        tcsetattr(stdin(), OptionalActions::Now, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if is_foreground() {
            // What was typed unseen is not meant for the shell.
            let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
        }
    }
}

fn is_foreground() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}
