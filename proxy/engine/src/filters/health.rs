//! `health_check`: answers those who ask whether the proxy is well. Knows no endpoints' health.

use std::sync::atomic::Ordering;

use forebay_model::{Edit, EditHow, HealthCheck};
use forebay_telemetry::log::Flag;

use super::{Asking, Verdict};
use crate::exchange::{Exchange, LocalReply, View};

/// Answers a health check, or lets it pass.
pub(super) fn request(settings: &HealthCheck, asking: &Asking<'_>, x: &Exchange) -> Verdict {
    let view = View(&x.req);
    if !settings.headers.iter().all(|condition| condition.matches(&view)) {
        return Verdict::Pass;
    }
    if asking.worker.failing.load(Ordering::Relaxed) {
        return Verdict::Reply(LocalReply {
            flag: Some(Flag::FailedLocalHealthCheck),
            headers: vec![Edit {
                name: "x-envoy-immediate-health-check-fail".to_owned(),
                value: b"true".to_vec(),
                how: EditHow::Add,
            }],
            ..LocalReply::new(503, "health_check_failed")
        });
    }
    if settings.pass_through {
        return Verdict::Pass;
    }
    Verdict::Reply(LocalReply::new(200, "health_check_ok"))
}
