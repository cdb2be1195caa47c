//! What `forebay up` says: lines for people, or one JSON object a line for programs. Knows nothing of what is said.
//!
//! A thread of its own writes: whoever reads standard output may stop reading (a pager, Ctrl-S), and nothing else stops then.

mod writer;

use std::fmt;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, registry::LookupSpan};

use super::screen::{Table, clean, terminal};
use crate::cli::LogFormat;

static JSON: AtomicBool = AtomicBool::new(false);
static COLOURS: AtomicBool = AtomicBool::new(false);
static WRITER: OnceLock<writer::Handle> = OnceLock::new();
static BEGUN: OnceLock<Instant> = OnceLock::new();

/// Until this is dropped, lines are written. Then all of them are, and the terminal is as it was.
pub(crate) struct Output(());

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(writer) = WRITER.get() {
            writer.end();
        }
    }
}

/// Sends log events here. `RUST_LOG` chooses what is logged; warnings of all parts are the default.
pub(crate) fn init(format: LogFormat) -> Output {
    BEGUN.get_or_init(Instant::now);
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    COLOURS.store(format != LogFormat::Json && terminal::has_colours(), Ordering::Relaxed);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second call (tests of this binary's own) finds one installed already.
    let _ = tracing_subscriber::registry().with(Lines.with_filter(filter)).try_init();
    match writer::start(COLOURS.load(Ordering::Relaxed)) {
        Ok(writer) => {
            let _ = WRITER.set(writer);
        }
        // Lines are written by those who say them, then.
        Err(error) => say(Bad::Warning, "writer", &format!("no thread to write lines: {error}"), &[]),
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let writing = std::thread::current().name() == Some(writer::NAME);
        if writing || WRITER.get().is_none() {
            before(panic);
        } else {
            say(Bad::Error, "panic", &panic.to_string(), &[]);
        }
    }));
    Output(())
}

/// Whether a live table can be shown.
pub(crate) fn is_screen() -> bool {
    !JSON.load(Ordering::Relaxed) && terminal::obeys() && WRITER.get().is_some()
}

/// Shows a table below the lines, or takes it away.
pub(crate) fn show(table: Option<Table>) {
    if let Some(writer) = WRITER.get() {
        writer.show(table);
    }
}

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    Info,
    Warning,
    Error,
}

impl Bad {
    fn word(self) -> &'static str {
        match self {
            Bad::Info => "info",
            Bad::Warning => "warning",
            Bad::Error => "error",
        }
    }

    /// Yellow and red.
    fn code(self) -> &'static str {
        match self {
            Bad::Info => "",
            Bad::Warning => "\x1b[33m",
            Bad::Error => "\x1b[31m",
        }
    }
}

/// Says a line. `message` is for programs, `text` for people (nothing is shown to them if it is empty), `fields` are the
/// facts in it.
pub(crate) fn say(bad: Bad, message: &str, text: &str, fields: &[(&str, Value)]) {
    let line = if JSON.load(Ordering::Relaxed) {
        let mut object = Map::new();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        object.insert("time".into(), (since.as_millis() as f64 / 1e3).into());
        object.insert("level".into(), bad.word().into());
        object.insert("msg".into(), message.into());
        if !text.is_empty() {
            object.insert("text".into(), text.into());
        }
        for (name, value) in fields {
            object.insert((*name).into(), value.clone());
        }
        Value::Object(object).to_string()
    } else if text.is_empty() {
        return;
    } else {
        let age = BEGUN.get().map(Instant::elapsed).unwrap_or_default();
        plain(age, bad, text, COLOURS.load(Ordering::Relaxed))
    };
    match WRITER.get() {
        Some(writer) => writer.line(line),
        None => writer::write(&format!("{line}\n")),
    }
}

/// A line for people: when, how bad, what. A text of several lines is set off by the space its first line leaves.
fn plain(age: Duration, bad: Bad, text: &str, colours: bool) -> String {
    let (faint, mark, end) = if colours { ("\x1b[2m", bad.code(), "\x1b[0m") } else { ("", "", "") };
    let text = text.trim_end().lines().map(clean).collect::<Vec<_>>().join("\n            ");
    match bad {
        Bad::Info => format!("{faint}{}{end}  {text}", clock(age)),
        bad => format!("{faint}{}{end}  {mark}{}:{end} {text}", clock(age), bad.word()),
    }
}

/// Time since the beginning, ten columns: `    12.345`, `1:02:03.456`.
fn clock(age: Duration) -> String {
    let (seconds, millis) = (age.as_secs(), age.subsec_millis());
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = match (hours, minutes) {
        (0, 0) => format!("{rest}.{millis:03}"),
        (0, _) => format!("{minutes}:{rest:02}.{millis:03}"),
        _ => format!("{hours}:{minutes:02}:{rest:02}.{millis:03}"),
    };
    format!("{text:>10}")
}

/// Says why nothing can be started.
pub(crate) fn fatal(text: &str) {
    if JSON.load(Ordering::Relaxed) {
        say(Bad::Error, "fatal", text, &[]);
    } else {
        // Nobody is left to tell if standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "forebay up: {text}");
    }
}

/// Log events of all parts as lines.
struct Lines;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let bad = match *event.metadata().level() {
            Level::ERROR => Bad::Error,
            Level::WARN => Bad::Warning,
            _ => Bad::Info,
        };
        let mut text = words.message.clone();
        for (name, value) in &words.fields {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!(" {name}={value}"));
        }
        let fields: Vec<(&str, Value)> = words.fields.iter().map(|(n, v)| (*n, v.clone())).collect();
        say(bad, &words.message, &text, &fields);
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((field.name(), text.into()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.fields.push((field.name(), value.into()));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }
}

#[cfg(test)]
mod tests;
