//! What `forebay up` says: lines for people, or one JSON object a line for programs. Knows nothing of what is said.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, registry::LookupSpan};

use crate::cli::LogFormat;

static JSON: AtomicBool = AtomicBool::new(false);

/// Sends log events here. `RUST_LOG` chooses what is logged; warnings of all parts are the default.
pub(crate) fn init(format: LogFormat) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second call (tests of this binary's own) finds one installed already.
    let _ = tracing_subscriber::registry().with(Lines.with_filter(filter)).try_init();
}

/// Whether a live table can be shown.
pub(crate) fn is_screen() -> bool {
    !JSON.load(Ordering::Relaxed) && std::io::stdout().is_terminal()
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
}

/// Says a line. `message` is for programs, `text` for people, `fields` are the facts in it.
pub(crate) fn say(bad: Bad, message: &str, text: &str, fields: &[(&str, Value)]) {
    let line = if JSON.load(Ordering::Relaxed) {
        let mut object = Map::new();
        object.insert("level".into(), bad.word().into());
        object.insert("msg".into(), message.into());
        if !text.is_empty() {
            object.insert("text".into(), text.into());
        }
        for (name, value) in fields {
            object.insert((*name).into(), value.clone());
        }
        Value::Object(object).to_string()
    } else {
        match bad {
            Bad::Info => text.to_owned(),
            bad => format!("{}: {text}", bad.word()),
        }
    };
    super::screen::above(|| write_line(&line));
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

fn write_line(line: &str) {
    // A closed standard output (`forebay up | head`) must not end what runs.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
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
