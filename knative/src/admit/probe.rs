//! Defaults and rules of probes (facts/serving.md 1.7). Knows nothing of how a probe is run.

use std::sync::Arc;

use super::Checks;
use crate::api::{Handler, HttpHeader, Probe, Scheme};
use crate::manifest::draft::{HttpGetDraft, PortRef, ProbeDraft};
use crate::path::Path;

/// Whose probe it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    /// The container that gets the requests, or one beside it.
    pub(super) serving: bool,
    /// What a probe may call the serving container's port.
    pub(super) port_name: &'a str,
}

/// A serving container always has one; without a handler it is a TCP connect.
pub(super) fn readiness(
    draft: Option<ProbeDraft>,
    of: Of<'_>,
    at: &Path<'_>,
    checks: &mut Checks,
) -> Option<Arc<Probe>> {
    let mut draft = match draft {
        Some(draft) => draft,
        None => return of.serving.then(Probe::connect),
    };
    if of.serving && handlers(&draft).is_empty() {
        draft.tcp_socket = Some(Default::default());
    }
    if draft.success_threshold == 0 {
        draft.success_threshold = 1;
    }
    if draft.period_seconds == 0 {
        // Knative's aggressive probing has no use for these.
        for (field, value) in
            [("failureThreshold", draft.failure_threshold), ("timeoutSeconds", draft.timeout_seconds)]
        {
            if value != 0 {
                checks.error(format!("{field} is disallowed when periodSeconds is zero"), &at.field(field));
            }
        }
    } else {
        default(&mut draft.failure_threshold, 3);
        default(&mut draft.timeout_seconds, 1);
        at_least(1, draft.timeout_seconds, "timeoutSeconds", at, checks);
        at_least(1, draft.failure_threshold, "failureThreshold", at, checks);
    }
    probe(draft, of, at, checks).map(Arc::new)
}

/// Liveness and startup: Kubernetes' own defaults.
pub(super) fn health(
    draft: Option<ProbeDraft>,
    of: Of<'_>,
    at: &Path<'_>,
    checks: &mut Checks,
) -> Option<Probe> {
    let mut draft = draft?;
    default(&mut draft.period_seconds, 10);
    default(&mut draft.timeout_seconds, 1);
    default(&mut draft.success_threshold, 1);
    default(&mut draft.failure_threshold, 3);
    at_least(1, draft.timeout_seconds, "timeoutSeconds", at, checks);
    at_least(1, draft.failure_threshold, "failureThreshold", at, checks);
    if draft.success_threshold != 1 {
        checks.error(format!("invalid value: {}", draft.success_threshold), &at.field("successThreshold"));
    }
    probe(draft, of, at, checks)
}

fn default(value: &mut i64, to: i64) {
    if *value == 0 {
        *value = to;
    }
}

fn at_least(low: i64, value: i64, field: &str, at: &Path<'_>, checks: &mut Checks) {
    if value < low || value > i64::from(i32::MAX) {
        checks.out_of_bounds(low, value, i32::MAX, &at.field(field));
    }
}

fn handlers(draft: &ProbeDraft) -> Vec<&'static str> {
    let set = [
        ("httpGet", draft.http_get.is_some()),
        ("tcpSocket", draft.tcp_socket.is_some()),
        ("exec", draft.exec.is_some()),
        ("grpc", draft.grpc.is_some()),
    ];
    set.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect()
}

/// What both sorts share. None if it has no handler, which is told.
fn probe(draft: ProbeDraft, of: Of<'_>, at: &Path<'_>, checks: &mut Checks) -> Option<Probe> {
    checks.exactly_one(&["httpGet", "tcpSocket", "exec", "grpc"], &handlers(&draft), at);
    at_least(0, draft.initial_delay_seconds, "initialDelaySeconds", at, checks);
    at_least(0, draft.period_seconds, "periodSeconds", at, checks);
    at_least(1, draft.success_threshold, "successThreshold", at, checks);
    let handler = if let Some(get) = draft.http_get {
        http_get(get, of, &at.field("httpGet"), checks)
    } else if let Some(tcp) = draft.tcp_socket {
        Handler::TcpSocket {
            port: port(&tcp.port, of, &at.field("tcpSocket"), checks),
            host: tcp.host.into(),
        }
    } else if let Some(exec) = draft.exec {
        if exec.command.is_empty() {
            checks.missing(&at.field("exec").field("command"));
        }
        Handler::Exec { command: exec.command.into_iter().map(String::into_boxed_str).collect() }
    } else if let Some(grpc) = draft.grpc {
        let port = port(&PortRef::Number(grpc.port), of, &at.field("grpc"), checks);
        Handler::Grpc { port, service: grpc.service.into() }
    } else {
        return None;
    };
    // Negative ones were told above.
    let number = |value: i64| u32::try_from(value).unwrap_or(0);
    Some(Probe {
        handler,
        initial_delay_seconds: number(draft.initial_delay_seconds),
        period_seconds: number(draft.period_seconds),
        timeout_seconds: number(draft.timeout_seconds),
        success_threshold: number(draft.success_threshold),
        failure_threshold: number(draft.failure_threshold),
    })
}

fn http_get(draft: HttpGetDraft, of: Of<'_>, at: &Path<'_>, checks: &mut Checks) -> Handler {
    let scheme = match draft.scheme.as_str() {
        "" | "HTTP" => Scheme::Http,
        "HTTPS" => Scheme::Https,
        other => {
            checks.invalid(other, &at.field("scheme"));
            Scheme::Http
        }
    };
    let headers = draft.http_headers.into_iter();
    Handler::HttpGet {
        port: port(&draft.port, of, at, checks),
        path: if draft.path.is_empty() { "/".into() } else { draft.path.into() },
        scheme,
        host: draft.host.into(),
        http_headers: headers.map(|h| HttpHeader { name: h.name.into(), value: h.value.into() }).collect(),
    }
}

/// 0 stands for the serving container's port.
fn port(port: &PortRef, of: Of<'_>, at: &Path<'_>, checks: &mut Checks) -> u16 {
    let at = at.field("port");
    match port {
        PortRef::Number(0) if !of.serving => {
            checks.detailed("invalid value: 0", &at, "Probe port must be specified");
        }
        PortRef::Number(n) => match u16::try_from(*n) {
            Ok(port) => return port,
            Err(_) => checks.out_of_bounds(0, n, 65535, &at),
        },
        PortRef::Name(name) if of.serving && !name.is_empty() && name != of.port_name => {
            checks.detailed(format!("invalid value: {name}"), &at, "Probe port must match container port");
        }
        PortRef::Name(_) => {}
    }
    0
}
