//! `health_check`: answers those who ask whether the proxy is well. Knows no endpoints' health.

use std::sync::atomic::Ordering;

use forebay_model::{Edit, EditHow, HealthCheck};
use forebay_telemetry::log::Flag;

use super::hold::discard;
use super::{Asking, Verdict};
use crate::exchange::{Client, Exchange, LocalReply, View};
use crate::worker::Worker;

/// Tells who asked that it is time to go elsewhere.
const FAILS: &[u8] = b"x-envoy-immediate-health-check-fail";

/// Whose proxy answered.
const CLUSTER: &str = "x-envoy-upstream-healthchecked-cluster";

/// Answers a health check, or lets it pass.
pub(super) async fn request<C: Client>(
    settings: &HealthCheck,
    asking: &Asking<'_>,
    x: &mut Exchange,
    client: &mut C,
) -> Verdict {
    let view = View(&x.req);
    if !settings.headers.iter().all(|condition| condition.matches(&view)) {
        return Verdict::Pass;
    }
    x.checks_health = true;
    let failing = asking.worker.failing.load(Ordering::Relaxed);
    if settings.pass_through && !failing {
        return Verdict::Pass;
    }
    // A check that has a body is answered behind it.
    if let Err(fault) = discard(asking, x, client).await {
        return Verdict::Fault(fault);
    }
    if !failing {
        return Verdict::Reply(LocalReply::new(200, "health_check_ok"));
    }
    Verdict::Reply(LocalReply {
        flag: Some(Flag::FailedLocalHealthCheck),
        headers: vec![Edit {
            name: String::from_utf8_lossy(FAILS).into_owned(),
            value: b"true".to_vec(),
            how: EditHow::Add,
        }],
        ..LocalReply::new(503, "health_check_failed")
    })
}

/// Whoever checks is told whom; everybody else that a proxy which fails its checks is to be left.
pub(super) fn response(worker: &Worker, x: &mut Exchange) {
    if x.checks_health {
        x.res.set(CLUSTER.as_bytes(), worker.cluster.as_bytes());
    } else if worker.failing.load(Ordering::Relaxed) {
        x.res.set(FAILS, b"true");
    }
}
