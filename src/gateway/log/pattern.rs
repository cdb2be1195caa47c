//! The format of a log line in spdlog's words, as far as Envoy's users write them. Pure.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_base::calendar::date;
use tracing::Level;

/// Envoy's.
pub(super) const DEFAULT: &str = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v";

/// A format: text, and letters that stand for something.
pub(super) struct Pattern(Vec<Part>);

enum Part {
    Text(String),
    Letter(char),
}

/// What there is to say.
pub(super) struct Line<'a> {
    pub(super) at: SystemTime,
    pub(super) thread: &'a str,
    pub(super) level: Level,
    pub(super) part: &'a str,
    pub(super) file: &'a str,
    pub(super) line: u32,
    pub(super) text: &'a str,
}

impl Pattern {
    /// A letter that means nothing stays as it is written.
    pub(super) fn parse(format: &str) -> Self {
        let mut parts = vec![Part::Text(String::new())];
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            let plain = |parts: &mut Vec<Part>, text: &str| match parts.last_mut() {
                Some(Part::Text(last)) => last.push_str(text),
                _ => parts.push(Part::Text(text.to_owned())),
            };
            match (c, chars.as_str().chars().next()) {
                ('%', Some(letter)) if "YmdHMSTDefFtlLnvgs#P_j".contains(letter) => {
                    parts.push(Part::Letter(letter))
                }
                ('%', Some('%')) => plain(&mut parts, "%"),
                // Colours begin and end: there are none.
                ('%', Some('^' | '$')) => {}
                _ => {
                    plain(&mut parts, c.encode_utf8(&mut [0; 4]));
                    continue;
                }
            }
            chars.next();
        }
        Self(parts)
    }

    /// The line, with its end. Control characters in what is said are escaped: one event is one line.
    pub(super) fn line(&self, said: &Line<'_>) -> String {
        let since = said.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let mut line = String::with_capacity(said.text.len() + 128);
        for part in &self.0 {
            // Writing to a String cannot fail.
            let _ = match part {
                Part::Text(text) => line.write_str(text),
                Part::Letter('Y') => write!(line, "{year}"),
                Part::Letter('m') => write!(line, "{month:02}"),
                Part::Letter('d') => write!(line, "{day:02}"),
                Part::Letter('D') => write!(line, "{month:02}/{day:02}/{:02}", year % 100),
                Part::Letter('H') => write!(line, "{hour:02}"),
                Part::Letter('M') => write!(line, "{minute:02}"),
                Part::Letter('S') => write!(line, "{second:02}"),
                Part::Letter('T') => write!(line, "{hour:02}:{minute:02}:{second:02}"),
                Part::Letter('e') => write!(line, "{:03}", since.subsec_millis()),
                Part::Letter('f') => write!(line, "{:06}", since.subsec_micros()),
                Part::Letter('F') => write!(line, "{:09}", since.subsec_nanos()),
                Part::Letter('t') => line.write_str(said.thread),
                Part::Letter('l') => line.write_str(level(said.level)),
                Part::Letter('L') => {
                    line.write_str(&level(said.level).get(..1).unwrap_or_default().to_uppercase())
                }
                Part::Letter('n') => line.write_str(said.part),
                Part::Letter('g') => line.write_str(said.file),
                Part::Letter('s') => line.write_str(said.file.rsplit('/').next().unwrap_or_default()),
                Part::Letter('#') => write!(line, "{}", said.line),
                Part::Letter('P') => write!(line, "{}", std::process::id()),
                // The others are spellings of the message, `%_` and `%j` with and for escapes.
                Part::Letter(_) => escape(&mut line, said.text),
            };
        }
        line.push('\n');
        line
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warning",
        Level::ERROR => "error",
    }
}

fn escape(line: &mut String, text: &str) -> std::fmt::Result {
    for c in text.chars() {
        match c.is_control() {
            true => write!(line, "{}", c.escape_default())?,
            false => line.push(c),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_looks_like_envoys_and_stays_one() {
        let said = Line {
            at: UNIX_EPOCH + Duration::from_millis(951_827_696_789),
            thread: "worker-0",
            level: Level::WARN,
            part: "config",
            file: "src/a/b.rs",
            line: 7,
            text: "two\nlines",
        };
        let line = |format: &str| Pattern::parse(format).line(&said);
        assert_eq!(
            line(DEFAULT),
            "[2000-02-29 12:34:56.789][worker-0][warning][config] [src/a/b.rs:7] two\\nlines\n"
        );
        assert_eq!(line("%L %^%s%$ %q 100%% %v"), "W b.rs %q 100% two\\nlines\n");
    }
}
