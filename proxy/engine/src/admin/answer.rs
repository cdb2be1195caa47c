//! One request, one answer. Knows no sockets.

use forebay_telemetry::{Filter, export};
use serde_json::{Value, json};

use super::commands::{self, Command};
use super::query::Query;
use super::{Asked, DrainListeners, Provider, State, views};

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
}

pub(super) const TEXT: &str = "text/plain; charset=UTF-8";
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

    fn json(value: &Value) -> Self {
        // Values made of strings and numbers always serialize.
        let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
        body.push(b'\n');
        Self { status: 200, kind: JSON, body }
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
            Command::Stats
                | Command::StatsPrometheus
                | Command::ConfigDump
                | Command::Clusters
                | Command::Explain
        )
    }

    pub(super) fn answer(&self, provider: &dyn Provider) -> Answer {
        let query = &self.query;
        let wants_json = query.get("format") == Some("json");
        match self.command {
            Command::Home | Command::Help => Answer::text(200, commands::help()),
            Command::Ready => ready(provider.state()),
            Command::Stats => stats(provider, query, query.get("format").unwrap_or("text")),
            Command::StatsPrometheus => stats(provider, query, "prometheus"),
            Command::ConfigDump => config_dump(provider, query),
            Command::Clusters if wants_json => Answer::json(&views::clusters_json(&provider.clusters())),
            Command::Clusters => Answer::text(200, views::clusters_text(&provider.clusters())),
            Command::Listeners if wants_json => Answer::json(&views::listeners_json(&provider.listeners())),
            Command::Listeners => Answer::text(200, views::listeners_text(&provider.listeners())),
            Command::ServerInfo => {
                Answer::json(&views::server_info(&provider.server_info(), provider.state()))
            }
            Command::HotRestartVersion => Answer::text(200, "disabled"),
            Command::Explain => explain(provider, query, wants_json),
            Command::DrainListeners => {
                let how = DrainListeners {
                    graceful: query.has("graceful"),
                    inbound_only: query.has("inboundonly"),
                    skip_exit: query.has("skip_exit"),
                };
                if how.skip_exit && !how.graceful {
                    return Answer::text(400, "skip_exit requires graceful\n");
                }
                provider.drain_listeners(how);
                Answer::ok()
            }
            Command::HealthcheckFail => {
                provider.fail_healthcheck(true);
                Answer::ok()
            }
            Command::HealthcheckOk => {
                provider.fail_healthcheck(false);
                Answer::ok()
            }
            Command::ReopenLogs => {
                provider.reopen_logs();
                Answer::ok()
            }
            Command::Quit => {
                provider.quit();
                Answer::ok()
            }
        }
    }
}

fn ready(state: State) -> Answer {
    let status = if state == State::Live { 200 } else { 503 };
    Answer::text(status, format!("{}\n", views::state(state)))
}

fn stats(provider: &dyn Provider, query: &Query, format: &str) -> Answer {
    let filter = match Filter::new(query.get("filter"), query.has("usedonly")) {
        Ok(filter) => filter,
        Err(error) => return Answer::text(400, format!("{error}\n")),
    };
    match format {
        "json" => Answer::json(&export::json(&provider.stats(), &filter)),
        "prometheus" => {
            let body = export::prometheus(&provider.stats(), &filter).into_bytes();
            Answer { status: 200, kind: PROMETHEUS, body }
        }
        "text" => Answer::text(200, export::text(&provider.stats(), &filter)),
        other => Answer::text(400, format!("format {other:?} is none of text, json, prometheus\n")),
    }
}

fn config_dump(provider: &dyn Provider, query: &Query) -> Answer {
    if query.get("mask").is_some() {
        return Answer::text(400, "mask is not supported; resource and name_regex are\n");
    }
    let pattern = query.get("name_regex");
    let names = match views::Names::new(pattern) {
        Ok(names) => names,
        Err(why) => return Answer::text(400, format!("invalid name_regex: {why}\n")),
    };
    let resource = query.get("resource");
    let endpoints =
        query.has("include_eds") || resource.is_some_and(|resource| resource.contains("endpoint"));
    match views::config_dump(provider.config_dump(endpoints), resource, &names) {
        Some(configs) => Answer::json(&json!({ "configs": configs })),
        None => Answer::text(404, format!("{} not found in config dump\n", resource.unwrap_or_default())),
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
