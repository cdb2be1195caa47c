//! One request, one answer. Knows no sockets.

use forebay_telemetry::export::{self, Buckets, Prometheus};
use forebay_telemetry::{Filter, Only};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::commands::{self, Command};
use super::query::Query;
use super::{Asked, DrainListeners, Provider, State, dump, loggers, views};

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
}

pub(super) const TEXT: &str = "text/plain; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json";
/// Prometheus 3 refuses to guess the format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answer {
    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, kind: TEXT, body: body.into().into_bytes() }
    }

    fn ok() -> Self {
        Self::text(200, "OK\n")
    }

    /// Indented by one blank and ended by a line feed, as Envoy does.
    fn json(value: &Value) -> Self {
        let mut body = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut body, PrettyFormatter::with_indent(b" "));
        // Values made of strings and numbers always serialize.
        let _ = value.serialize(&mut serializer);
        body.push(b'\n');
        Self { status: 200, kind: JSON, body }
    }

    fn compact_json(value: &Value) -> Self {
        Self { status: 200, kind: JSON, body: serde_json::to_vec(value).unwrap_or_default() }
    }
}

/// A request that is understood.
pub(super) struct Request {
    command: Command,
    query: Query,
}

impl Request {
    /// What is asked, or the refusal.
    pub(super) fn parse(method: &str, target: &str) -> Result<Self, Answer> {
        let query = Query::parse(target);
        let Some(entry) = commands::find(&query.path) else {
            return Err(Answer::text(404, format!("invalid path. {}", commands::help())));
        };
        if entry.mutates && method != "POST" {
            return Err(Answer::text(405, format!("Method {method} not allowed, POST required.")));
        }
        Ok(Self { command: entry.command, query })
    }

    /// Whether the answer takes a moment to make.
    pub(super) fn is_heavy(&self) -> bool {
        matches!(
            self.command,
            Command::Certs
                | Command::Clusters
                | Command::ConfigDump
                | Command::Explain
                | Command::Memory
                | Command::ResetCounters
                | Command::ServerInfo
                | Command::Stats
                | Command::StatsPrometheus
        )
    }

    pub(super) fn answer(&self, provider: &dyn Provider) -> Answer {
        let query = &self.query;
        let wants_json = query.get("format") == Some("json");
        match self.command {
            Command::Home => Answer { status: 200, kind: HTML, body: views::home().into_bytes() },
            Command::Help => Answer::text(200, commands::help()),
            Command::Ready => ready(provider.state()),
            Command::Certs => Answer::json(&views::certificates(&provider.certificates())),
            Command::Stats => stats(provider, query),
            Command::StatsPrometheus => prometheus(provider, query),
            Command::ConfigDump => config_dump(provider, query),
            Command::Clusters => clusters(provider, query, wants_json),
            Command::Listeners if wants_json => Answer::json(&views::listeners_json(&provider.listeners())),
            Command::Listeners => Answer::text(200, views::listeners_text(&provider.listeners())),
            Command::ServerInfo => {
                Answer::json(&views::server_info(&provider.server_info(), provider.state()))
            }
            Command::HotRestartVersion => Answer::text(200, "disabled"),
            Command::InitDump => {
                let mask = query.get("mask").unwrap_or_default();
                Answer::json(&views::init_dump(&provider.unready(), mask))
            }
            Command::Logging => logging(query),
            Command::Memory => Answer::json(&views::memory(provider.memory())),
            // There is one layer and it is empty: nothing of the configuration can be overridden while it runs.
            Command::Runtime => Answer::json(&serde_json::json!({ "entries": {}, "layers": [] })),
            Command::RuntimeModify => Answer::text(503, "No admin layer specified"),
            Command::Contention => Answer::text(
                200,
                "Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.",
            ),
            Command::Profiler => Answer::text(501, "The current build does not support this profiler"),
            Command::Explain => explain(provider, query, wants_json),
            Command::DrainListeners => {
                provider.drain_listeners(DrainListeners {
                    graceful: query.has("graceful"),
                    inbound_only: query.has("inboundonly"),
                    skip_exit: query.has("skip_exit"),
                });
                Answer::ok()
            }
            Command::HealthcheckFail => done(|| provider.fail_healthcheck(true)),
            Command::HealthcheckOk => done(|| provider.fail_healthcheck(false)),
            Command::ReopenLogs => done(|| provider.reopen_logs()),
            Command::ResetCounters => done(|| provider.reset_counters()),
            Command::Quit => done(|| provider.quit()),
        }
    }
}

fn done(work: impl FnOnce()) -> Answer {
    work();
    Answer::ok()
}

fn ready(state: State) -> Answer {
    let status = if state == State::Live { 200 } else { 503 };
    Answer::text(status, format!("{}\n", views::state(state)))
}

/// Name, place in a family and sort of the statistics asked for.
fn filter(query: &Query) -> Result<Filter, Answer> {
    let only = match query.get("type") {
        None | Some("All") => None,
        Some("Counters") => Some(Only::Counters),
        Some("Gauges") => Some(Only::Gauges),
        Some("Histograms") => Some(Only::Histograms),
        Some("TextReadouts") => Some(Only::TextReadouts),
        Some(_) => return Err(Answer::text(400, "invalid &type= param")),
    };
    let filter = Filter::new(query.get("filter"), query.has("usedonly"))
        .map_err(|error| Answer::text(400, format!("Invalid re2 regex: {error}")))?
        .only(only);
    Ok(if query.has("invert_filter") { filter.inverted() } else { filter })
}

fn stats(provider: &dyn Provider, query: &Query) -> Answer {
    const USAGE: &str = "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n";
    const BUCKETS: &str =
        "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n";
    let format = query.get("format").unwrap_or("text");
    if format == "prometheus" {
        return prometheus(provider, query);
    }
    let Some(buckets) = Buckets::parse(query.get("histogram_buckets").unwrap_or_default()) else {
        return Answer::text(400, BUCKETS);
    };
    let filter = match filter(query) {
        Ok(filter) => filter,
        Err(refusal) => return refusal,
    };
    match format {
        "json" => Answer::compact_json(&export::json(&provider.stats(), &filter, buckets)),
        "text" => Answer::text(200, export::text(&provider.stats(), &filter, buckets)),
        "html" | "active-html" => Answer::text(501, "statistics come as text, json or prometheus\n"),
        _ => Answer::text(400, USAGE),
    }
}

fn prometheus(provider: &dyn Provider, query: &Query) -> Answer {
    let summaries = match query.get("histogram_buckets").unwrap_or_default() {
        "" | "cumulative" => false,
        "summary" | "none" => true,
        _ => return Answer::text(400, "unsupported prometheus histogram bucket mode"),
    };
    let ask = Prometheus { summaries, text_readouts: query.has("text_readouts") };
    match filter(query) {
        Ok(filter) => {
            let body = export::prometheus(&provider.stats(), &filter, ask).into_bytes();
            Answer { status: 200, kind: PROMETHEUS, body }
        }
        Err(refusal) => refusal,
    }
}

fn clusters(provider: &dyn Provider, query: &Query, wants_json: bool) -> Answer {
    let names = match query.get("filter").map(forebay_telemetry::Pattern::new).transpose() {
        Ok(names) => names,
        Err(error) => return Answer::text(400, format!("Invalid re2 regex: {error}")),
    };
    let mut clusters = provider.clusters();
    clusters.retain(|cluster| names.as_ref().is_none_or(|names| names.finds(&cluster.name)));
    if wants_json {
        Answer::json(&views::clusters_json(&clusters))
    } else {
        Answer::text(200, views::clusters_text(&clusters))
    }
}

fn config_dump(provider: &dyn Provider, query: &Query) -> Answer {
    let names = match dump::Names::new(query.get("name_regex")) {
        Ok(names) => names,
        Err(why) => {
            let pattern = query.get("name_regex").unwrap_or_default();
            let text = format!("INVALID_ARGUMENT: Error while parsing name_regex from {pattern}: {why}");
            return Answer::text(400, text);
        }
    };
    let sections = provider.config_dump(query.has("include_eds"));
    match dump::narrow(sections, query.get("resource"), query.get("mask"), &names) {
        // As in a protobuf message, a list of nothing is not there.
        Ok(configs) if configs.is_empty() => Answer::json(&serde_json::json!({})),
        Ok(configs) => Answer::json(&serde_json::json!({ "configs": configs })),
        Err((status, why)) => Answer::text(status, why),
    }
}

fn logging(query: &Query) -> Answer {
    match loggers::change(&query.pairs) {
        Ok(()) => Answer::text(200, loggers::list()),
        Err(why) => Answer::text(400, format!("error: {why}\n\n{}{}", loggers::usage(), loggers::list())),
    }
}

fn explain(provider: &dyn Provider, query: &Query, wants_json: bool) -> Answer {
    let Some(url) = query.get("url").filter(|url| !url.is_empty()) else {
        return Answer::text(400, "url is missing: /explain?url=http://hello.default.localhost:8080/\n");
    };
    let mut headers = Vec::new();
    for header in query.all("header") {
        let Some((name, value)) = header.split_once(':') else {
            return Answer::text(400, format!("header {header:?} is not name:value\n"));
        };
        headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    let method = query.get("method").unwrap_or("GET").to_owned();
    let explanation = provider.explain(&Asked { url: url.to_owned(), method, headers });
    if wants_json {
        Answer::json(&explanation.json)
    } else {
        let mut text = explanation.lines.join("\n");
        text.push('\n');
        Answer::text(200, text)
    }
}
