//! `/logging`: Envoy's loggers, their levels, and the words about them. Knows not what prints; whoever does says so by
//! [`on_change`].
//!
//! Levels are the process's, as the subscriber is: there is one table of them, locked by the admin interface alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Envoy's name of a logger and the parts of this program that speak in its place. What no logger names follows `main`.
const LOGGERS: &[(&str, &[&str])] = &[
    ("admin", &["forebay_engine::admin"]),
    ("config", &["forebay_xds_client", "forebay_xds_wire", "forebay_model"]),
    ("conn_handler", &["forebay_engine::conn"]),
    ("connection", &["forebay_net"]),
    ("dns", &["forebay_gateway::dns"]),
    ("ext_authz", &["forebay_engine::filters"]),
    ("file", &["forebay_telemetry::log"]),
    ("grpc", &["tonic"]),
    ("http", &["forebay_http"]),
    ("http2", &["h2"]),
    ("main", &["forebay", "forebay_gateway"]),
    ("pool", &["forebay_upstream"]),
    ("router", &["forebay_engine::exchange"]),
    ("stats", &["forebay_telemetry"]),
    ("tracing", &["forebay_telemetry::trace"]),
    ("upstream", &["forebay_model::model::clusters", "forebay_balance"]),
];

/// Envoy's levels, and `tracing`'s.
const LEVELS: [(&str, &str); 7] = [
    ("trace", "trace"),
    ("debug", "debug"),
    ("info", "info"),
    ("warning", "warn"),
    ("error", "error"),
    ("critical", "error"),
    ("off", "off"),
];

/// Takes directives in the language of `tracing_subscriber::EnvFilter`; the error is for the person who asked.
type Apply = Box<dyn Fn(&str) -> Result<(), String> + Send>;

struct Table {
    /// Level of all others.
    rest: &'static str,
    /// By logger's name, Envoy's levels.
    levels: BTreeMap<&'static str, &'static str>,
    apply: Option<Apply>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { rest: "info", levels: BTreeMap::new(), apply: None });

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says which level (Envoy's word) everything has at the start, and what makes another one true: from now on `/logging`
/// changes what is printed. `apply` gets all directives anew at each change.
pub fn on_change(level: &str, apply: impl Fn(&str) -> Result<(), String> + Send + 'static) {
    let mut table = table();
    table.rest = known(level).unwrap_or("info");
    table.levels.clear();
    table.apply = Some(Box::new(apply));
}

/// Changes levels as asked by `/logging?..`; without parameters changes nothing. The error is Envoy's, without its usage.
pub(super) fn change(pairs: &[(String, String)]) -> Result<(), String> {
    let [(key, value)] = pairs else {
        return if pairs.is_empty() { Ok(()) } else { Err("invalid number of parameters".into()) };
    };
    let mut table = table();
    let (mut rest, mut levels) = (table.rest, table.levels.clone());
    match key.as_str() {
        "level" => {
            rest = known(value).ok_or("unknown logger level")?;
            levels.clear();
        }
        "paths" => {
            for one in value.split(',') {
                let (name, level) = one.split_once(':').ok_or("empty logger name or empty logger level")?;
                levels.insert(logger(name)?, known(level).ok_or("unknown logger level")?);
            }
        }
        name => drop(levels.insert(logger(name)?, known(value).ok_or("unknown logger level")?)),
    }
    let directives = directives(rest, &levels);
    match &table.apply {
        Some(apply) => apply(&directives)?,
        None => return Err("what this process prints is not for it to change".into()),
    }
    (table.rest, table.levels) = (rest, levels);
    Ok(())
}

/// `/logging`: one logger a line.
pub(super) fn list() -> String {
    let table = table();
    let mut text = String::from("active loggers:\n");
    for (name, _) in LOGGERS {
        let level = table.levels.get(name).copied().unwrap_or(table.rest);
        text.push_str(&format!("  {name}: {level}\n"));
    }
    text.push('\n');
    text
}

pub(super) fn usage() -> String {
    let levels: String = LEVELS.iter().map(|(level, _)| format!("{level} ")).collect();
    format!(
        "usage: /logging?<name>=<level> (change single level)\n\
         usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n\
         usage: /logging?level=<level> (change all levels)\n\
         levels: {levels}\n"
    )
}

fn known(level: &str) -> Option<&'static str> {
    // `warn` is what people type.
    let level = if level == "warn" { "warning" } else { level };
    LEVELS.iter().map(|(name, _)| *name).find(|name| *name == level)
}

fn logger(name: &str) -> Result<&'static str, String> {
    let found = LOGGERS.iter().map(|(known, _)| *known).find(|known| *known == name);
    found.ok_or_else(|| "unknown logger name".to_owned())
}

/// All levels as `EnvFilter` reads them: the longest matching target wins, so that order does not matter.
fn directives(rest: &str, levels: &BTreeMap<&'static str, &'static str>) -> String {
    let theirs =
        |level: &str| LEVELS.iter().find(|(name, _)| *name == level).map_or("info", |(_, theirs)| theirs);
    let mut all = theirs(rest).to_owned();
    for (name, targets) in LOGGERS {
        let Some(level) = levels.get(name) else { continue };
        for target in *targets {
            all.push_str(&format!(",{target}={}", theirs(level)));
        }
    }
    all
}

#[cfg(test)]
mod tests;
