//! The commands: their paths, whether they change something, and the help text. Knows not how they are answered.

/// One path of the admin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Home,
    Clusters,
    ConfigDump,
    DrainListeners,
    Explain,
    HealthcheckFail,
    HealthcheckOk,
    Help,
    HotRestartVersion,
    Listeners,
    Quit,
    Ready,
    ReopenLogs,
    ServerInfo,
    Stats,
    StatsPrometheus,
}

pub(super) struct Entry {
    pub(super) command: Command,
    path: &'static str,
    /// Changes something: POST only.
    pub(super) mutates: bool,
    help: &'static str,
    params: &'static [(&'static str, &'static str)],
}

/// By path, sorted: the order of the help text.
const COMMANDS: &[Entry] = &[
    get(Command::Home, "/", "Admin home page", &[]),
    get(Command::Clusters, "/clusters", "upstream cluster status", &[("format", "text or json")]),
    get(
        Command::ConfigDump,
        "/config_dump",
        "dump current configuration",
        &[
            ("resource", "The resource to dump: a field of a section, such as dynamic_active_clusters"),
            ("name_regex", "Dump only resources whose names match the regular expression"),
            ("include_eds", "Dump endpoints as well"),
        ],
    ),
    post(
        Command::DrainListeners,
        "/drain_listeners",
        "drain listeners",
        &[
            ("graceful", "When draining listeners, enter a graceful drain period prior to closing listeners"),
            ("skip_exit", "Do not exit after the drain period; must be used with graceful"),
            ("inboundonly", "Drain inbound listeners only"),
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
            ("format", "text or json"),
        ],
    ),
    post(Command::HealthcheckFail, "/healthcheck/fail", "cause the server to fail health checks", &[]),
    post(Command::HealthcheckOk, "/healthcheck/ok", "cause the server to pass health checks", &[]),
    get(Command::Help, "/help", "print out list of admin commands", &[]),
    get(
        Command::HotRestartVersion,
        "/hot_restart_version",
        "print the hot restart compatibility version",
        &[],
    ),
    get(Command::Listeners, "/listeners", "print listener info", &[("format", "text or json")]),
    post(Command::Quit, "/quitquitquit", "exit the server", &[]),
    get(Command::Ready, "/ready", "print server state, return 200 if LIVE, otherwise return 503", &[]),
    post(Command::ReopenLogs, "/reopen_logs", "reopen access logs", &[]),
    get(Command::ServerInfo, "/server_info", "print server version/status information", &[]),
    get(
        Command::Stats,
        "/stats",
        "print server stats",
        &[
            ("usedonly", "Only include stats that have counted anything since restart"),
            ("filter", "Regular expression for filtering stats"),
            ("format", "text, json or prometheus"),
        ],
    ),
    get(
        Command::StatsPrometheus,
        "/stats/prometheus",
        "print server stats in prometheus format",
        &[
            ("usedonly", "Only include stats that have counted anything since restart"),
            ("filter", "Regular expression for filtering stats"),
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
