//! The process log as zap writes it: JSON lines with the keys of Knative's `config-logging`. Owns the form of a line; knows nothing
//! of what is said.

use std::fmt;

use forebay_queue::{Identity, Logging};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging to where the configuration says.
pub(super) fn start(logging: &Logging, identity: &Identity) {
    let zap: Option<Zap> = serde_json::from_str(&logging.config).ok();
    let zap = zap.unwrap_or_default();
    let level = if logging.level.is_empty() { &zap.level } else { &logging.level };
    let format = Line {
        keys: zap.encoder_config,
        key: format!("{}/{}", identity.namespace, identity.revision),
        pod: identity.pod.clone(),
    };
    // Without a configuration zap writes to standard error.
    let writer = match zap.output_paths.iter().any(|path| path == "stdout") {
        true => BoxMakeWriter::new(std::io::stdout),
        false => BoxMakeWriter::new(std::io::stderr),
    };
    let log = tracing_subscriber::fmt().with_max_level(filter(level)).event_format(format);
    // A second start in one process is a test's; it keeps the first's.
    let _ = log.with_writer(writer).try_init();
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
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
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
        writeln!(writer, "{}", Value::Object(line))
    }
}

impl Keys {
    fn time(&self) -> Value {
        let encoder = self.time_encoder.to_ascii_lowercase();
        if !matches!(encoder.as_str(), "iso8601" | "rfc3339" | "rfc3339nano") {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            return json!(now.unwrap_or_default().as_secs_f64());
        }
        let mut text = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut text));
        // Milliseconds, as zap has them.
        json!(format!("{}Z", text.get(..23).unwrap_or(&text)))
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
