//! The small pages beside the requests: the drain that Kubernetes asks for before it stops the app, the load that the autoscaler
//! asks for, and Prometheus' metrics. Knows nothing of the app.

use std::rc::Rc;
use std::time::Duration;

use forebay_http::Client;
use forebay_net::Phase;

use crate::exchange::{After, Exchange, Kind, reply};
use crate::metrics::CONTENT_TYPE;
use crate::sidecar::Sidecar;

/// serving: `adminHandler`: a drain that SIGTERM does not follow within this time was for the app's container alone.
const FOLLOWS: Duration = Duration::from_secs(1);

/// `/wait-for-drain`: answers when no request has come for a while.
pub(crate) async fn drain<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C) -> After {
    if path(x) != b"/wait-for-drain" {
        return reply(sidecar, x, client, 404, b"404 page not found\n", Kind::Error).await;
    }
    tracing::info!("Attached drain handler from user-container");
    let this = sidecar.clone();
    tokio::task::spawn_local(async move {
        tokio::time::sleep(FOLLOWS).await;
        if this.drain.phase() == Phase::Running {
            this.quiet.reset();
        }
    });
    sidecar.quiet.drain().await;
    reply(sidecar, x, client, 200, b"", Kind::Bare).await
}

/// `/metrics`: the last second's `Stat`.
pub(crate) async fn stats<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C) -> After {
    if path(x) != b"/metrics" {
        return reply(sidecar, x, client, 404, b"404 page not found\n", Kind::Error).await;
    }
    let stat = sidecar.load.encode();
    reply(sidecar, x, client, 200, &stat, Kind::Typed("application/protobuf")).await
}

/// `/metrics` of the app's requests.
pub(crate) async fn metrics<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C) -> After {
    match &sidecar.metrics {
        Some(metrics) if path(x) == b"/metrics" && matches!(x.req.method(), b"GET" | b"HEAD") => {
            let text = metrics.text();
            reply(sidecar, x, client, 200, text.as_bytes(), Kind::Typed(CONTENT_TYPE)).await
        }
        Some(_) if path(x) == b"/metrics" => {
            x.res.push(b"allow", b"GET, HEAD");
            reply(sidecar, x, client, 405, b"Method Not Allowed\n", Kind::Error).await
        }
        _ => reply(sidecar, x, client, 404, b"404 page not found\n", Kind::Error).await,
    }
}

/// `/debug/pprof/`: the command line is there, as the reference has it; profiles are those of Go's runtime, which is not here.
pub(crate) async fn profiles<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C) -> After {
    match path(x) {
        b"/debug/pprof/cmdline" => {
            let words: Vec<String> =
                std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
            let line = words.join("\0");
            reply(sidecar, x, client, 200, line.as_bytes(), Kind::Sniffed).await
        }
        known if known.starts_with(b"/debug/pprof/") => {
            reply(sidecar, x, client, 501, NO_PROFILES, Kind::Error).await
        }
        _ => reply(sidecar, x, client, 404, b"404 page not found\n", Kind::Error).await,
    }
}

const NO_PROFILES: &[u8] =
    b"this queue-proxy is not written in Go and has no profiles of its runtime; perf(1) and /proc know it\n";

fn path(x: &Exchange) -> &[u8] {
    let path = x.req.path();
    path.split(|b| *b == b'?').next().unwrap_or_default()
}
