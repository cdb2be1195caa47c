//! The process log as zap writes it: JSON lines with the keys of Knative's `config-logging`. Owns the form of a line; knows nothing
//! of what is said.
//!
//! A subscriber of its own: who has neither spans nor layers needs no registry of them, nor its memory.

use std::fmt;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_base::calendar::date;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::{Identity, Logging};

/// Starts logging to where the configuration says.
pub(super) fn start(logging: &Logging, identity: &Identity) {
    let zap: Option<Zap> = serde_json::from_str(&logging.config).ok();
    let zap = zap.unwrap_or_default();
    let level = if logging.level.is_empty() { &zap.level } else { &logging.level };
    let line = Line {
        keys: zap.encoder_config,
        key: format!("{}/{}", identity.namespace, identity.revision),
        pod: identity.pod.clone(),
        // Without a configuration zap writes to standard error.
        to_stdout: zap.output_paths.iter().any(|path| path == "stdout"),
        most: filter(level),
    };
    // A second start in one process is a test's; it keeps the first's.
    let _ = tracing::subscriber::set_global_default(line);
}

fn filter(level: &str) -> LevelFilter {
    match level.to_ascii_lowercase().as_str() {
        "debug" => LevelFilter::DEBUG,
        "warn" => LevelFilter::WARN,
        "error" | "dpanic" | "panic" | "fatal" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// What of zap's configuration makes a line.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Zap {
    level: String,
    output_paths: Vec<String>,
    encoder_config: Keys,
}

/// The names of a line's fields; those of Knative's own fallback where there is no configuration.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    time_key: String,
    level_key: String,
    name_key: String,
    caller_key: String,
    message_key: String,
    time_encoder: String,
}

impl Default for Keys {
    fn default() -> Self {
        let [time_key, level_key, name_key, caller_key, message_key] =
            ["timestamp", "severity", "logger", "caller", "message"].map(str::to_owned);
        let time_encoder = "rfc3339nano".to_owned();
        Self { time_key, level_key, name_key, caller_key, message_key, time_encoder }
    }
}

struct Line {
    keys: Keys,
    key: String,
    pod: String,
    to_stdout: bool,
    most: LevelFilter,
}

impl Subscriber for Line {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.is_event() && *about.level() <= self.most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn event(&self, event: &Event<'_>) {
        let line = format!("{}\n", self.of(event));
        // Nobody is left to tell if it is closed.
        let _ = match self.to_stdout {
            true => std::io::stdout().lock().write_all(line.as_bytes()),
            false => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }

    // No span is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Line {
    fn of(&self, event: &Event<'_>) -> Value {
        let about = event.metadata();
        let mut said = Said::default();
        event.record(&mut said);
        let keys = &self.keys;
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| {
            if !key.is_empty() {
                line.insert(key.to_owned(), value);
            }
        };
        let level = about.level();
        put(&keys.level_key, if keys.level_key == "severity" { upper(level) } else { lower(level) });
        put(&keys.time_key, keys.time());
        put(&keys.name_key, json!("queueproxy"));
        let file = about.file().unwrap_or_default();
        put(&keys.caller_key, json!(format!("{file}:{}", about.line().unwrap_or_default())));
        put(&keys.message_key, json!(said.message));
        put("knative.dev/key", json!(self.key));
        put("knative.dev/pod", json!(self.pod));
        line.extend(said.fields);
        Value::Object(line)
    }
}

impl Keys {
    fn time(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let encoder = self.time_encoder.to_ascii_lowercase();
        if !matches!(encoder.as_str(), "iso8601" | "rfc3339" | "rfc3339nano") {
            return json!(now.as_secs_f64());
        }
        let (year, month, day) = date(now.as_secs() / 86_400);
        let (second, millis) = (now.as_secs() % 86_400, now.subsec_millis());
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        // Milliseconds, as zap has them.
        json!(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"))
    }
}

fn upper(level: &Level) -> Value {
    json!(level.as_str())
}

fn lower(level: &Level) -> Value {
    json!(level.as_str().to_ascii_lowercase())
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.insert(field.name().to_owned(), json!(text));
        }
    }
}
