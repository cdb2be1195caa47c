//! Log lines as Envoy writes them, `[time][thread][level][part] [file:line] message`, to standard error or to a file that can
//! be opened anew. Knows nothing of what is said.

mod pattern;

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use super::flags::Flags;
use pattern::{Line, Pattern};

/// Where lines go. Held for one write; no worker writes lines while it serves a request.
static OUT: OnceLock<Mutex<Out>> = OnceLock::new();

/// Which crates speak for a part, as Envoy names its parts. Those that are not here speak for `main`.
const PARTS: [(&str, &[&str]); 9] = [
    ("admin", &["forebay_engine::admin"]),
    ("config", &["forebay_xds_client", "forebay_xds_wire", "forebay_model", "forebay_gateway::subscriber"]),
    ("connection", &["forebay_net"]),
    ("conn_handler", &["forebay_engine::conn"]),
    ("dns", &["forebay_gateway::dns"]),
    ("http", &["forebay_engine", "forebay_http"]),
    ("pool", &["forebay_upstream::pool"]),
    ("upstream", &["forebay_upstream", "forebay_balance"]),
    ("main", &["forebay"]),
];

/// Others' crates that speak much.
const LIBRARIES: [&str; 7] = ["h2", "hyper", "hyper_util", "tonic", "tower", "rustls", "mio"];

struct Out {
    path: Option<String>,
    /// Standard error without one.
    file: Option<File>,
}

/// Sends log events to where the command line says.
pub(super) fn init(flags: &Flags) -> io::Result<()> {
    let file = flags.log_path.as_deref().map(open).transpose()?;
    let _ = OUT.set(Mutex::new(Out { path: flags.log_path.clone(), file }));
    let level = LevelFilter::from(flags.level);
    let mut targets = Targets::new().with_default(level);
    // What libraries say below a warning is about them, unless somebody wants everything.
    if flags.level.is_some_and(|level| level < tracing::Level::TRACE) {
        for library in LIBRARIES {
            targets = targets.with_target(library, level.min(LevelFilter::WARN));
        }
    }
    for (name, level) in &flags.components {
        let crates = PARTS.iter().find(|(part, _)| part == name).map_or(&[][..], |(_, crates)| *crates);
        targets = crates.iter().fold(targets, |all, part| all.with_target(*part, LevelFilter::from(*level)));
    }
    let pattern = Pattern::parse(flags.log_format.as_deref().unwrap_or(pattern::DEFAULT));
    let quiet = targets.clone();
    let (filter, levels) = reload::Layer::new(targets);
    // A second call finds one installed already.
    let _ = tracing_subscriber::registry().with(Lines { pattern }.with_filter(filter)).try_init();
    let level = flags.level.map_or_else(|| "off".to_owned(), |level| level.to_string().to_lowercase());
    // `/logging` of the admin interface.
    forebay_gateway::loggers::on_change(&level, move |directives| {
        let asked: Targets = directives.parse().map_err(|error| format!("{directives}: {error}"))?;
        // Libraries stay as quiet as they were, unless the change names them or wants everything.
        let all = asked.default_level().is_some_and(|level| level == LevelFilter::TRACE);
        let libraries = quiet.iter().filter(|(target, _)| !all && LIBRARIES.contains(target));
        let targets = libraries.fold(asked.clone(), |targets, (target, level)| {
            let named = asked.iter().any(|(name, _)| name == target);
            if named { targets } else { targets.with_target(target, level) }
        });
        levels.reload(targets).map_err(|error| error.to_string())
    });
    Ok(())
}

/// Opens the file anew, after somebody moved it away.
pub(super) fn reopen() {
    let Some(out) = OUT.get() else { return };
    let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
    let opened = out.path.as_deref().map(open).transpose();
    match opened {
        Ok(file) => out.file = file,
        // What is open is better than nothing.
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {}: {error}", out.path.as_deref().unwrap_or_default()))
        }
    }
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

struct Lines {
    pattern: Pattern,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let said = event.metadata();
        let (target, thread) = (said.target(), std::thread::current());
        let part = PARTS.iter().filter_map(|(part, crates)| {
            let longest =
                crates.iter().filter(|name| target.starts_with(**name)).map(|name| name.len()).max();
            longest.map(|length| (length, *part))
        });
        let line = self.pattern.line(&Line {
            at: SystemTime::now(),
            thread: thread.name().unwrap_or("?"),
            level: *said.level(),
            part: part.max().map_or("main", |(_, part)| part),
            file: said.file().unwrap_or("?"),
            line: said.line().unwrap_or_default(),
            text: &(words.message + &words.fields),
        });
        let Some(out) = OUT.get() else { return };
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written is no reason to stop serving.
        let _ = match &mut out.file {
            Some(file) => file.write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}

/// The message, and behind it its facts.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => {
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }
}
