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
    let unread = zap.is_none() && !logging.config.is_empty();
    let zap = zap.unwrap_or_else(Zap::fallback);
    let level = if logging.level.is_empty() { &zap.level } else { &logging.level };
    let mut line = Line {
        most: filter(level),
        // Without a configuration zap writes to standard error.
        to_stdout: zap.output_paths.iter().any(|path| path == "stdout"),
        keys: zap.encoder_config,
        logger: if unread { "fallback-logger" } else { "queueproxy" },
        about: None,
    };
    if unread {
        tracing::subscriber::with_default(line.clone(), || {
            tracing::warn!("Failed to parse logging config - using default zap production config");
        });
        line.logger = "fallback-logger.queueproxy";
    }
    line.about = Some((format!("{}/{}", identity.namespace, identity.revision), identity.pod.clone()));
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

impl Zap {
    /// Knative's own, where there is no configuration.
    fn fallback() -> Self {
        let [time_key, level_key, name_key, caller_key, message_key] =
            ["timestamp", "severity", "logger", "caller", "message"].map(str::to_owned);
        let (time_encoder, level_encoder) = ("rfc3339nano".to_owned(), CLOUD.to_owned());
        let encoder_config =
            Keys { time_key, level_key, name_key, caller_key, message_key, time_encoder, level_encoder };
        Self { level: String::new(), output_paths: Vec::new(), encoder_config }
    }
}

/// The fallback's words for levels, which no configuration can name.
const CLOUD: &str = "cloud";

/// The names of a line's fields, and how two of them are written.
#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    time_key: String,
    level_key: String,
    name_key: String,
    caller_key: String,
    message_key: String,
    time_encoder: String,
    level_encoder: String,
}

#[derive(Clone)]
struct Line {
    keys: Keys,
    logger: &'static str,
    /// Of which revision and pod; unknown to the first words.
    about: Option<(String, String)>,
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
        put(&keys.level_key, json!(keys.level(*about.level())));
        put(&keys.time_key, keys.time());
        put(&keys.name_key, json!(self.logger));
        let file = about.file().unwrap_or_default();
        put(&keys.caller_key, json!(format!("{file}:{}", about.line().unwrap_or_default())));
        put(&keys.message_key, json!(said.message));
        if let Some((key, pod)) = &self.about {
            put("knative.dev/key", json!(key));
            put("knative.dev/pod", json!(pod));
        }
        line.extend(said.fields);
        Value::Object(line)
    }
}

impl Keys {
    fn time(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = now.subsec_nanos();
        let fraction = match &*self.time_encoder.to_ascii_lowercase() {
            "iso8601" => format!(".{:03}", nanos / 1_000_000),
            "rfc3339" => String::new(),
            "rfc3339nano" => format!(".{nanos:09}").trim_end_matches('0').trim_end_matches('.').to_owned(),
            "millis" => return json!(now.as_secs_f64() * 1e3),
            "nanos" => return json!(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)),
            _ => return json!(now.as_secs_f64()),
        };
        let (year, month, day) = date(now.as_secs() / 86_400);
        let second = now.as_secs() % 86_400;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        json!(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
    }

    fn level(&self, level: Level) -> String {
        match &*self.level_encoder {
            CLOUD if level == Level::WARN => "WARNING".to_owned(),
            CLOUD | "capital" | "capitalColor" => level.as_str().to_owned(),
            _ => level.as_str().to_ascii_lowercase(),
        }
    }
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
