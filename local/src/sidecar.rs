//! A replica's queue-proxy: told what Knative's deployment tells one, on ports of its own since a machine has but one of each. Knows
//! nothing of when it starts and ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use forebay_knative::RevisionKey;
use forebay_knative::api::{Container, Handler, Probe, Revision};
use serde_json::{Map, Value, json};

use crate::launch::Launch;

/// How the queue-proxy of replica `number` is started: `this` is this binary, `app` the app's port, `front` its own.
pub(crate) fn launch(
    this: &Path,
    key: &RevisionKey,
    revision: &Revision,
    number: u32,
    app: u16,
    front: u16,
) -> Launch {
    Launch {
        program: this.to_owned(),
        name: this.into(),
        args: vec!["queue-proxy".to_owned()],
        env: environment(key, revision, number, app, front),
        dir: PathBuf::from("/"),
    }
}

/// The variables of the container `queue-proxy` (serving: `pkg/reconciler/revision/resources/queue.go`). `OBSERVABILITY_CONFIG` is
/// not among them: the platform has no `config-observability`, and what it inherits of that name and of `OTEL_*` is passed on.
fn environment(
    key: &RevisionKey,
    revision: &Revision,
    number: u32,
    app: u16,
    front: u16,
) -> BTreeMap<String, String> {
    let spec = &revision.spec;
    let pod = format!("{}-deployment-{number}", key.name);
    let duplex = revision.metadata.annotations.get("features.knative.dev/http-full-duplex");
    let duplex = duplex.is_some_and(|text| text.eq_ignore_ascii_case("enabled"));
    let probe = spec.serving().and_then(|container| probe(container, app));
    [
        ("SERVING_NAMESPACE", key.namespace.to_string()),
        ("SERVING_SERVICE", revision.service.as_deref().unwrap_or_default().to_owned()),
        ("SERVING_CONFIGURATION", revision.configuration.to_string()),
        ("SERVING_REVISION", key.name.to_string()),
        ("SERVING_POD", pod.clone()),
        ("POD_NAME", pod),
        ("SERVING_POD_IP", "127.0.0.1".to_owned()),
        ("HOST_IP", "127.0.0.1".to_owned()),
        ("QUEUE_SERVING_PORT", front.to_string()),
        ("QUEUE_SERVING_TLS_PORT", TLS.to_string()),
        ("USER_PORT", app.to_string()),
        ("CONTAINER_CONCURRENCY", spec.container_concurrency.to_string()),
        ("REVISION_TIMEOUT_SECONDS", spec.timeout_seconds.to_string()),
        ("REVISION_RESPONSE_START_TIMEOUT_SECONDS", spec.response_start_timeout_seconds.to_string()),
        ("REVISION_IDLE_TIMEOUT_SECONDS", spec.idle_timeout_seconds.to_string()),
        ("SERVING_READINESS_PROBE", probe.unwrap_or_default()),
        ("ENABLE_HTTP2_AUTO_DETECTION", "false".to_owned()),
        ("ENABLE_HTTP_FULL_DUPLEX", duplex.to_string()),
        ("ENABLE_MULTI_CONTAINER_PROBES", "false".to_owned()),
        ("SERVING_LOGGING_CONFIG", String::new()),
        ("SERVING_LOGGING_LEVEL", "warn".to_owned()),
        ("SYSTEM_NAMESPACE", "knative-serving".to_owned()),
        ("FOREBAY_QUEUE_ADDRESS", "127.0.0.1".to_owned()),
        ("FOREBAY_QUEUE_ADMIN_PORT", "0".to_owned()),
        ("FOREBAY_QUEUE_STATS_PORT", "0".to_owned()),
        ("FOREBAY_QUEUE_CERTIFICATES", NO_CERTIFICATES.to_owned()),
        // Its end begins when every proxy has obeyed: there is no word that still has to get around.
        ("FOREBAY_QUEUE_QUIET", "0s".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The serving container's readiness probe as Kubernetes' JSON, rewritten for the one who asks from beside the app (serving:
/// `pkg/queue/readiness`, `pkg/reconciler/revision/resources/queue.go`).
fn probe(container: &Container, app: u16) -> Option<String> {
    let probe = container.readiness_probe.as_deref()?;
    let mut out = Map::new();
    let (kind, handler) = match &probe.handler {
        Handler::HttpGet { path, scheme, http_headers, .. } => {
            let mut get = json!({ "path": path, "port": app, "host": "127.0.0.1", "scheme": scheme });
            if let (false, Some(get)) = (http_headers.is_empty(), get.as_object_mut()) {
                get.insert("httpHeaders".to_owned(), json!(http_headers));
            }
            ("httpGet", get)
        }
        Handler::Grpc { service, .. } => ("grpc", json!({ "port": app, "service": service })),
        // A command is run in the app's container, by who started that.
        Handler::TcpSocket { .. } | Handler::Exec { .. } => {
            ("tcpSocket", json!({ "port": app, "host": "127.0.0.1" }))
        }
    };
    out.insert(kind.to_owned(), handler);
    let Probe { initial_delay_seconds, period_seconds, timeout_seconds, .. } = probe;
    for (name, seconds) in [
        ("initialDelaySeconds", *initial_delay_seconds),
        ("timeoutSeconds", *timeout_seconds),
        ("periodSeconds", *period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        if seconds > 0 {
            out.insert(name.to_owned(), seconds.into());
        }
    }
    Some(Value::Object(out).to_string())
}

/// Knative's port for TLS. Nothing is bound to it: there is no certificate.
const TLS: u16 = 8112;
/// A directory that is on no machine.
const NO_CERTIFICATES: &str = "/nonexistent";

#[cfg(test)]
mod tests;
