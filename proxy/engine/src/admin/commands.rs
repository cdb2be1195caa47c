//! The commands: their paths, whether they change something, and the help text. Knows not how they are answered.

/// One path of the admin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Home,
    Certs,
    Clusters,
    ConfigDump,
    Contention,
    DrainListeners,
    Explain,
    HealthcheckFail,
    HealthcheckOk,
    Help,
    HotRestartVersion,
    InitDump,
    Listeners,
    Logging,
    Memory,
    Profiler,
    Quit,
    Ready,
    ReopenLogs,
    ResetCounters,
    Runtime,
    RuntimeModify,
    ServerInfo,
    Stats,
    StatsPrometheus,
}

pub(super) struct Entry {
    pub(super) command: Command,
    pub(super) path: &'static str,
    /// Changes something: POST only.
    pub(super) mutates: bool,
    pub(super) help: &'static str,
    params: &'static [(&'static str, &'static str)],
}

/// By path, sorted: the order of the help text, whose words are Envoy's where the command is.
pub(super) const COMMANDS: &[Entry] = &[
    get(Command::Home, "/", "Admin home page", &[]),
    post(
        Command::Profiler,
        "/allocprofiler",
        "enable/disable the allocation profiler (if supported)",
        &[("enable", "enable/disable the allocation profiler; One of (y, n)")],
    ),
    get(Command::Certs, "/certs", "print certs on machine", &[]),
    get(
        Command::Clusters,
        "/clusters",
        "upstream cluster status",
        &[
            ("filter", "Regular expression for filtering clusters by name"),
            ("format", "File format to use; One of (text, json)"),
        ],
    ),
    get(
        Command::ConfigDump,
        "/config_dump",
        "dump current Envoy configs",
        &[
            ("resource", "The resource to dump"),
            (
                "mask",
                "The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask",
            ),
            (
                "name_regex",
                "Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters.",
            ),
            (
                "include_eds",
                "Dump currently loaded configuration including EDS. See the response definition for more information",
            ),
        ],
    ),
    get(Command::Contention, "/contention", "dump current Envoy mutex contention stats (if enabled)", &[]),
    post(
        Command::Profiler,
        "/cpuprofiler",
        "enable/disable the CPU profiler",
        &[("enable", "enables the CPU profiler; One of (y, n)")],
    ),
    post(
        Command::DrainListeners,
        "/drain_listeners",
        "drain listeners",
        &[
            (
                "graceful",
                "When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI",
            ),
            (
                "skip_exit",
                "When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners",
            ),
            (
                "inboundonly",
                "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.",
            ),
        ],
    ),
    get(
        Command::Explain,
        "/explain",
        "say which listener, host, route, revision and endpoint a request gets, and why",
        &[
            ("url", "The URL of the request"),
            ("method", "Its method, GET by default"),
            ("header", "A header of it as name:value; may be repeated"),
            ("format", "File format to use; One of (text, json)"),
        ],
    ),
    post(Command::HealthcheckFail, "/healthcheck/fail", "cause the server to fail health checks", &[]),
    post(Command::HealthcheckOk, "/healthcheck/ok", "cause the server to pass health checks", &[]),
    get(Command::Profiler, "/heap_dump", "dump current Envoy heap (if supported)", &[]),
    post(
        Command::Profiler,
        "/heapprofiler",
        "enable/disable the heap profiler",
        &[("enable", "enable/disable the heap profiler; One of (y, n)")],
    ),
    get(Command::Help, "/help", "print out list of admin commands", &[]),
    get(
        Command::HotRestartVersion,
        "/hot_restart_version",
        "print the hot restart compatibility version",
        &[],
    ),
    get(
        Command::InitDump,
        "/init_dump",
        "dump current Envoy init manager information (experimental)",
        &[(
            "mask",
            "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`",
        )],
    ),
    get(
        Command::Listeners,
        "/listeners",
        "print listener info",
        &[("format", "File format to use; One of (text, json)")],
    ),
    post(
        Command::Logging,
        "/logging",
        "query/change logging levels",
        &[
            (
                "paths",
                "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>.",
            ),
            (
                "level",
                "desired logging level, this will change all loggers's level; One of (, trace, debug, info, warning, error, critical, off)",
            ),
        ],
    ),
    get(Command::Memory, "/memory", "print current allocation/heap usage", &[]),
    get(Command::Profiler, "/peak_heap_dump", "dump peak Envoy heap (if supported)", &[]),
    post(Command::Quit, "/quitquitquit", "exit the server", &[]),
    get(Command::Ready, "/ready", "print server state, return 200 if LIVE, otherwise return 503", &[]),
    post(Command::ReopenLogs, "/reopen_logs", "reopen access logs", &[]),
    post(Command::ResetCounters, "/reset_counters", "reset all counters to zero", &[]),
    get(Command::Runtime, "/runtime", "print runtime values", &[]),
    post(
        Command::RuntimeModify,
        "/runtime_modify",
        "Adds or modifies runtime values as passed in query parameters. There is no admin layer here: always refused",
        &[],
    ),
    get(Command::ServerInfo, "/server_info", "print server version/status information", &[]),
    get(
        Command::Stats,
        "/stats",
        "print server stats",
        &[
            ("usedonly", "Only include stats that have been written by system since restart"),
            ("filter", "Regular expression for filtering stats"),
            ("invert_filter", "Invert the filter regex"),
            ("format", "Format to use; One of (text, json, prometheus)"),
            ("type", "Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)"),
            (
                "histogram_buckets",
                "Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)",
            ),
        ],
    ),
    get(
        Command::StatsPrometheus,
        "/stats/prometheus",
        "print server stats in prometheus format",
        &[
            ("usedonly", "Only include stats that have been written by system since restart"),
            (
                "text_readouts",
                "Render text_readouts as new gaugues with value 0 (increases Prometheus data size)",
            ),
            ("filter", "Regular expression for filtering stats"),
            ("invert_filter", "Invert the filter regex"),
            ("histogram_buckets", "Histogram bucket display mode; One of (cumulative, summary)"),
        ],
    ),
];

const fn get(
    command: Command,
    path: &'static str,
    help: &'static str,
    params: &'static [(&'static str, &'static str)],
) -> Entry {
    Entry { command, path, mutates: false, help, params }
}

const fn post(
    command: Command,
    path: &'static str,
    help: &'static str,
    params: &'static [(&'static str, &'static str)],
) -> Entry {
    Entry { command, path, mutates: true, help, params }
}

/// The command of a path, if there is one.
pub(super) fn find(path: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.path == path)
}

/// The help text, as Envoy lays it out.
pub(super) fn help() -> String {
    let mut text = String::from("admin commands are:\n");
    for entry in COMMANDS {
        let method = if entry.mutates { " (POST)" } else { "" };
        text.push_str(&format!("  {}{method}: {}\n", entry.path, entry.help));
        for (name, help) in entry.params {
            text.push_str(&format!("      {name}: {help}\n"));
        }
    }
    text
}
