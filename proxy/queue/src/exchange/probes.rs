//! Requests that are for the queue-proxy itself, whatever their path and method. Owns who is recognised by what (serving:
//! `vendor/knative.dev/pkg/network/handlers/drain.go`, `pkg/queue/health/handler.go`); the app's readiness is asked elsewhere.

use std::rc::Rc;

use forebay_http::{Client, Head, Known};

use super::{After, Exchange, Kind, reply};
use crate::sidecar::Sidecar;

/// Whose question it is.
pub(super) enum Probe {
    /// Kubernetes', the activator's or the autoscaler's: is the app ready?
    Health,
    /// An ingress': is this revision what its configuration says?
    Ingress,
}

/// The agents whose requests are health checks.
const AGENTS: [&[u8]; 3] = [b"kube-probe/", b"Knative-Activator-Probe", b"Knative-Autoscaling-Probe"];

#[inline]
pub(super) fn of(req: &Head) -> Option<Probe> {
    let agent = req.known(Known::UserAgent).unwrap_or_default();
    if matches!(agent.first(), Some(b'k' | b'K')) && AGENTS.iter().any(|known| agent.starts_with(known)) {
        return Some(Probe::Health);
    }
    (req.known(Known::KNetworkProbe) == Some(b"probe")).then_some(Probe::Ingress)
}

/// Whether a request is nobody's for logs and metrics (serving: `netheader.IsProbe`).
pub(crate) fn is_probe(req: &Head) -> bool {
    let said = |known| req.known(known).is_some_and(|v| !v.is_empty());
    req.known(Known::UserAgent).is_some_and(|v| v.starts_with(b"kube-probe/"))
        || said(Known::KKubeletProbe)
        || said(Known::KNetworkProbe)
}

const SHUTTING_DOWN: &[u8] = b"shutting down\n";

pub(super) async fn health<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C) -> After {
    if sidecar.quiet.is_on() {
        return reply(sidecar, x, client, 503, SHUTTING_DOWN, Kind::Error).await;
    }
    let value = x.req.known(Known::KNetworkProbe).unwrap_or_default();
    if value != b"queue" {
        let text = [b"unexpected probe header value: ", value, b"\n"].concat();
        return reply(sidecar, x, client, 400, &text, Kind::Error).await;
    }
    if sidecar.ready.ask().await {
        reply(sidecar, x, client, 200, b"queue", Kind::Sniffed).await
    } else {
        reply(sidecar, x, client, 503, b"", Kind::Bare).await
    }
}

pub(super) async fn ingress<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C) -> After {
    if sidecar.quiet.is_on() {
        return reply(sidecar, x, client, 503, SHUTTING_DOWN, Kind::Error).await;
    }
    match x.req.known(Known::KNetworkHash) {
        Some(hash) if !hash.is_empty() => {
            x.res.push(Known::KNetworkHash.name(), hash);
            reply(sidecar, x, client, 200, b"", Kind::Bare).await
        }
        _ => {
            let text = b"a probe request must contain a non-empty \"K-Network-Hash\" header\n";
            reply(sidecar, x, client, 400, text, Kind::Error).await
        }
    }
}
