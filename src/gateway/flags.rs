//! Envoy's command line, every flag of it: honoured, accepted without effect, or refused. Several may come in one word
//! (`--base-id 1`), as Kourier's manifest writes them. Starts nothing.

mod table;

use std::fmt;
use std::time::Duration;

use tracing::Level;

pub(crate) use table::help;
use table::{FLAGS, Flag, Takes, Use};

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `-c`.
    pub config_path: Option<String>,
    /// `--config-yaml`, merged over the file.
    pub config_yaml: Option<String>,
    /// `--mode`.
    pub mode: Mode,
    /// Worker threads; `None` is one for each core.
    pub concurrency: Option<usize>,
    /// `-l`; `None` is off.
    pub level: Option<Level>,
    /// `--component-log-level`: of one part each.
    pub components: Vec<(String, Option<Level>)>,
    /// `--log-path`; standard error without it.
    pub log_path: Option<String>,
    /// `--log-format`, in spdlog's words.
    pub log_format: Option<String>,
    /// `--service-node`, `--service-cluster`, `--service-zone`; empty if not given.
    pub node: String,
    pub cluster: String,
    pub zone: String,
    /// How long a drain tells clients to go.
    pub drain_time: Duration,
    /// How a drain tells them.
    pub drain_strategy: Strategy,
    /// Where the admin interface's address is written.
    pub admin_address_path: Option<String>,
    /// Flags without effect here, and why.
    pub idle: Vec<(&'static str, &'static str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Serve,
    Validate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// More and more answers ask the client to go, all of them by the end.
    Gradual,
    /// All answers do.
    Immediate,
}

/// What the command line asks for instead of a gateway, or why it cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Other {
    Help,
    Version,
    HotRestartVersion,
    Wrong(Wrong),
}

/// A mistake on the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Default for Flags {
    /// Envoy's.
    fn default() -> Self {
        Self {
            config_path: None,
            config_yaml: None,
            mode: Mode::Serve,
            concurrency: None,
            level: Some(Level::INFO),
            components: Vec::new(),
            log_path: None,
            log_format: None,
            node: String::new(),
            cluster: String::new(),
            zone: String::new(),
            drain_time: Duration::from_secs(600),
            drain_strategy: Strategy::Gradual,
            admin_address_path: None,
            idle: Vec::new(),
        }
    }
}

/// Reads the words behind the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Flags, Other> {
    let mut flags = Flags::default();
    let mut given: Vec<&str> = Vec::new();
    let mut words = words.into_iter().flat_map(split).peekable();
    while let Some(word) = words.next() {
        // What stands behind it is nobody's.
        if word == "--" || word == "--ignore_rest" {
            break;
        }
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        match name.as_str() {
            "-h" | "--help" => return Err(Other::Help),
            "--version" => return Err(Other::Version),
            "--hot-restart-version" => return Err(Other::HotRestartVersion),
            _ => {}
        }
        let Some(flag) = FLAGS.iter().find(|flag| flag.is(&name)) else {
            return wrong(format!("{word:?} is not a flag of Envoy's; --help lists them"));
        };
        if flag.takes != Takes::Values && given.contains(&flag.name) {
            return wrong(format!("--{} is given twice", flag.name));
        }
        given.push(flag.name);
        let value = match flag.takes {
            Takes::Nothing if inline.is_some() => return wrong(format!("--{} takes no value", flag.name)),
            Takes::Nothing => String::new(),
            Takes::Value | Takes::Values => match inline.or_else(|| words.next()) {
                Some(value) => value,
                None => return wrong(format!("--{} needs a value", flag.name)),
            },
            Takes::Number => {
                let value = inline.or_else(|| words.next()).unwrap_or_default();
                if value.parse::<u32>().is_err() {
                    return wrong(format!("--{} needs a number, not {value:?}", flag.name));
                }
                value
            }
        };
        flags.set(flag, &value).map_err(Other::Wrong)?;
    }
    if flags.config_path.is_none() && flags.config_yaml.is_none() {
        return wrong("at least one of --config-path (-c) and --config-yaml is needed".to_owned());
    }
    Ok(flags)
}

fn wrong<T>(message: String) -> Result<T, Other> {
    Err(Other::Wrong(Wrong(message)))
}

/// A word of several flags and values, as a manifest's list of arguments may have them, is taken apart at its spaces. A
/// word that is a value (it does not begin with a dash, or stands behind `=`) is left as it is.
fn split(word: String) -> Vec<String> {
    let is_pair = word
        .split_once(' ')
        .is_some_and(|(name, _)| !name.contains('=') && FLAGS.iter().any(|flag| flag.is(name)));
    if !is_pair {
        return vec![word];
    }
    // `--config-yaml` has a whole document behind it, spaces and all.
    match word.split_once(' ') {
        Some((name, rest)) if name == "--config-yaml" || name == "--log-format" => {
            vec![name.to_owned(), rest.trim_start().to_owned()]
        }
        _ => word.split_whitespace().map(str::to_owned).collect(),
    }
}

impl Flags {
    fn set(&mut self, flag: &Flag, value: &str) -> Result<(), Wrong> {
        let text = || (!value.is_empty()).then(|| value.to_owned());
        // Numbers were checked above.
        let number = || value.parse::<u32>().unwrap_or_default();
        match flag.how {
            // Told once, however often it is given.
            Use::Idle(why) if self.idle.iter().all(|(name, _)| *name != flag.name) => {
                self.idle.push((flag.name, why));
            }
            Use::Idle(_) => {}
            Use::Quiet => {}
            Use::Refused(why) => return Err(Wrong(format!("--{} is not supported: {why}", flag.name))),
            Use::ConfigPath => self.config_path = text(),
            Use::ConfigYaml => self.config_yaml = text(),
            Use::Mode => {
                self.mode = match value {
                    "serve" => Mode::Serve,
                    // With `init_only` Envoy does a little more of the same, and ends, too.
                    "validate" | "init_only" => Mode::Validate,
                    _ => return Err(Wrong(format!("--mode is serve or validate, not {value:?}"))),
                }
            }
            // As Envoy has it, nothing works without a worker.
            Use::Concurrency => self.concurrency = Some(number().max(1) as usize),
            Use::LogLevel => self.level = level(value)?,
            Use::Components => {
                for part in value.split(',').filter(|part| !part.is_empty()) {
                    let Some((name, text)) = part.split_once(':') else {
                        return Err(Wrong(format!("--component-log-level is NAME:LEVEL,..., not {part:?}")));
                    };
                    self.components.push((name.to_owned(), level(text)?));
                }
            }
            Use::LogPath => self.log_path = text(),
            Use::LogFormat => self.log_format = text(),
            Use::Node => value.clone_into(&mut self.node),
            Use::Cluster => value.clone_into(&mut self.cluster),
            Use::Zone => value.clone_into(&mut self.zone),
            Use::DrainTime => self.drain_time = Duration::from_secs(number().into()),
            Use::DrainStrategy => {
                self.drain_strategy = match value {
                    "gradual" => Strategy::Gradual,
                    "immediate" => Strategy::Immediate,
                    _ => {
                        return Err(Wrong(format!(
                            "--drain-strategy is gradual or immediate, not {value:?}"
                        )));
                    }
                }
            }
            Use::AdminAddressPath => self.admin_address_path = text(),
            Use::RestartEpoch if number() > 0 => {
                return Err(Wrong("--restart-epoch: no running gateway can be taken over".to_owned()));
            }
            Use::RestartEpoch => {}
            Use::IpVersion if matches!(value, "v4" | "v6") => {
                self.idle.push((flag.name, "node metadata of the local address is not filled in"));
            }
            Use::IpVersion => {
                return Err(Wrong(format!("--local-address-ip-version is v4 or v6, not {value:?}")));
            }
        }
        Ok(())
    }
}

/// A level as Envoy names them; `None` is off. Critical is what ends the program: it is told as an error.
fn level(text: &str) -> Result<Option<Level>, Wrong> {
    Ok(Some(match text {
        "trace" => Level::TRACE,
        "debug" => Level::DEBUG,
        "info" => Level::INFO,
        "warning" | "warn" => Level::WARN,
        "error" | "critical" => Level::ERROR,
        "off" => return Ok(None),
        _ => {
            return Err(Wrong(format!(
                "{text:?} is not a log level; trace, debug, info, warning, error, critical and off are"
            )));
        }
    }))
}

#[cfg(test)]
mod tests;
