//! Envoy 1.40's flags by name: what each takes and what becomes of it. Knows nothing of values.

/// A flag.
pub(super) struct Flag {
    pub(super) name: &'static str,
    short: Option<char>,
    pub(super) takes: Takes,
    pub(super) how: Use,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// May be given again and again.
    Values,
    Number,
}

/// What becomes of a flag.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    /// Accepted with a warning that says why nothing comes of it.
    Idle(&'static str),
    /// Accepted: what it asks for is so already.
    Quiet,
    Refused(&'static str),
    ConfigPath,
    ConfigYaml,
    Mode,
    Concurrency,
    LogLevel,
    Components,
    LogPath,
    LogFormat,
    Node,
    Cluster,
    Zone,
    DrainTime,
    DrainStrategy,
    AdminAddressPath,
    RestartEpoch,
    IpVersion,
}

impl Flag {
    /// Whether a word, without any `=value`, is this flag.
    pub(super) fn is(&self, word: &str) -> bool {
        word.strip_prefix("--").is_some_and(|name| name == self.name)
            || self.short.is_some_and(|short| {
                word.strip_prefix('-').is_some_and(|rest| rest.chars().eq(std::iter::once(short)))
            })
    }
}

const fn flag(name: &'static str, takes: Takes, how: Use) -> Flag {
    Flag { name, short: None, takes, how }
}

use Takes::{Nothing, Number, Value, Values};

const NO_HOT_RESTART: &str = "a gateway is replaced by starting another and draining this one";
const NO_SUCH_LOG: &str = "log lines are written one way";

pub(super) const FLAGS: &[Flag] = &[
    Flag { name: "config-path", short: Some('c'), takes: Value, how: Use::ConfigPath },
    flag("config-yaml", Value, Use::ConfigYaml),
    flag("mode", Value, Use::Mode),
    flag("concurrency", Number, Use::Concurrency),
    Flag { name: "log-level", short: Some('l'), takes: Value, how: Use::LogLevel },
    flag("component-log-level", Value, Use::Components),
    flag("log-path", Value, Use::LogPath),
    flag("log-format", Value, Use::LogFormat),
    // Control characters never reach a line unescaped.
    flag("log-format-escaped", Nothing, Use::Quiet),
    flag("enable-fine-grain-logging", Nothing, Use::Idle(NO_SUCH_LOG)),
    flag("log-stacktrace-single-entry", Nothing, Use::Idle(NO_SUCH_LOG)),
    flag("service-node", Value, Use::Node),
    flag("service-cluster", Value, Use::Cluster),
    flag("service-zone", Value, Use::Zone),
    flag("drain-time-s", Number, Use::DrainTime),
    flag("drain-strategy", Value, Use::DrainStrategy),
    flag("admin-address-path", Value, Use::AdminAddressPath),
    flag("local-address-ip-version", Value, Use::IpVersion),
    // Memory is not shared with another process, so there is nothing to keep apart.
    flag("base-id", Number, Use::Quiet),
    flag("use-dynamic-base-id", Nothing, Use::Quiet),
    flag("base-id-path", Value, Use::Idle(NO_HOT_RESTART)),
    flag("restart-epoch", Number, Use::RestartEpoch),
    flag("disable-hot-restart", Nothing, Use::Quiet),
    flag("skip-hot-restart-on-no-parent", Nothing, Use::Quiet),
    flag("skip-hot-restart-parent-stats", Nothing, Use::Quiet),
    // Kourier's manifest and many others set it beside --drain-time-s.
    flag("parent-shutdown-time-s", Number, Use::Idle(NO_HOT_RESTART)),
    flag("socket-path", Value, Use::Idle(NO_HOT_RESTART)),
    flag("socket-mode", Value, Use::Idle(NO_HOT_RESTART)),
    // Fields that the vocabulary does not know are refused in files and passed over on streams, as in Envoy by default.
    flag("allow-unknown-fields", Nothing, Use::Refused("an unknown field of a file would go unnoticed")),
    flag(
        "allow-unknown-static-fields",
        Nothing,
        Use::Refused("an unknown field of a file would go unnoticed"),
    ),
    flag("reject-unknown-dynamic-fields", Nothing, Use::Idle("unknown fields of a stream are passed over")),
    flag("ignore-unknown-dynamic-fields", Nothing, Use::Quiet),
    flag("skip-deprecated-logs", Nothing, Use::Quiet),
    flag(
        "file-flush-interval-msec",
        Number,
        Use::Idle("access logs are flushed when a worker rests, at least every second"),
    ),
    flag(
        "file-flush-min-size-kb",
        Number,
        Use::Idle("access logs are flushed when a worker rests, at least every second"),
    ),
    flag("enable-mutex-tracing", Nothing, Use::Idle("workers share no lock")),
    flag("cpuset-threads", Nothing, Use::Quiet),
    flag("disable-extensions", Value, Use::Refused("extensions are built in")),
    flag("enable-core-dump", Nothing, Use::Idle("the system's limits hold")),
    flag("stats-tag", Values, Use::Idle("no tag is added to statistics")),
];

/// The list of flags, for people.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Envoy's command line, as this program obeys it.\n\nUsage: envoy -c FILE [FLAGS]\n       forebay gateway -c FILE [FLAGS]\n\n\
         Flags (a flag and its value may come in one word):\n",
    );
    for Flag { name, short, takes, how } in FLAGS {
        let short = short.map_or(String::from("    "), |short| format!("-{short}, "));
        let value = match takes {
            Nothing => "",
            Value | Values => " <string>",
            Number => " <number>",
        };
        let note = match how {
            Use::Idle(why) => format!("accepted without effect: {why}"),
            Use::Quiet => "accepted: it is so already, or nothing here needs it".to_owned(),
            Use::Refused(why) => format!("refused: {why}"),
            _ => String::new(),
        };
        let left = format!("  {short}--{name}{value}");
        let line = if note.is_empty() { left } else { format!("{left:<46} {note}") };
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("      --hot-restart-version\n      --version\n  -h, --help\n");
    text
}
