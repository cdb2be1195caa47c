//! `buffer`, `fault` and `local_ratelimit`: requests held, hurt or refused. Knows no endpoints.

use std::future::poll_fn;
use std::task::Poll;

use forebay_http::h1::Framing;
use forebay_model::{Buffer, BufferRoute, Edit, EditHow, FaultInjection, LocalRateLimit};
use forebay_telemetry::log::Flag;

use super::hold::{Held, hold};
use super::{Asking, Verdict};
use crate::exchange::{Client, Exchange, LocalReply, Side, View, Watch, apply_headers, header_value};
use crate::fault::Fault;
use crate::worker::Worker;

/// gRPC's RESOURCE_EXHAUSTED.
const EXHAUSTED: u32 = 8;

/// What a route tells a filter, the most specific level first.
pub(super) fn told<T: Clone + 'static>(name: &str, asking: &Asking<'_>) -> Option<T> {
    let matched = asking.matched?;
    matched.told(name).find_map(|told| told.told.as_ref()?.as_any().downcast_ref::<T>().cloned())
}

/// Holds the whole body.
pub(super) async fn buffer<C: Client>(
    settings: Buffer,
    name: &str,
    asking: &Asking<'_>,
    x: &mut Exchange,
    client: &mut C,
) -> Verdict {
    let most = match told::<BufferRoute>(name, asking) {
        Some(BufferRoute::Disabled) => return Verdict::Pass,
        Some(BufferRoute::Limit(own)) => own.most,
        None => settings.most,
    };
    if x.asked.upgrade {
        return Verdict::Pass;
    }
    match hold(most as usize, asking, x, client).await {
        Ok(Held::Part) => Verdict::Reply(super::too_large()),
        Ok(Held::Whole) => {
            // Its length is known now, unless something is to come behind it.
            if x.asked.framing == Framing::Chunked && client.trailers().is_none() {
                x.asked.framing = Framing::Length(x.held.len() as u64);
            }
            Verdict::Pass
        }
        Err(fault) => Verdict::Fault(fault),
    }
}

/// Holds a request up, refuses it, or both.
pub(super) async fn fault<C: Client>(
    settings: &FaultInjection,
    name: &str,
    asking: &Asking<'_>,
    x: &mut Exchange,
    client: &mut C,
) -> Verdict {
    let own = told::<FaultInjection>(name, asking);
    let settings = own.as_ref().unwrap_or(settings);
    if !settings.headers.iter().all(|condition| condition.matches(&View(&x.req))) {
        return Verdict::Pass;
    }
    let rng = &asking.worker.rng;
    if let Some((time, share)) = &settings.delay
        && share.draw(rng)
    {
        x.flags.set(Flag::DelayInjected);
        let mut over = asking.worker.timer.after(*time);
        let mut watch = Watch::default();
        let gone = poll_fn(|cx| {
            if over.poll_expired(cx).is_ready() {
                return Poll::Ready(false);
            }
            if client.has_read_all() {
                return watch.poll(cx, asking.worker, client, x.req.version).map(|()| true);
            }
            Poll::Pending
        })
        .await;
        if gone {
            return Verdict::Fault(Fault::ClientGone);
        }
    }
    match &settings.abort {
        Some((abort, share)) if share.draw(rng) => Verdict::Reply(LocalReply {
            flag: Some(Flag::FaultInjected),
            body: abort.body.as_bytes().to_vec(),
            grpc: abort.grpc,
            ..LocalReply::new(abort.status, "fault_filter_abort")
        }),
        _ => Verdict::Pass,
    }
}

/// The same clock for all workers.
fn nanos(worker: &Worker) -> u64 {
    worker.clock.unix_micros(worker.clock.tick()).saturating_mul(1000)
}

/// Refuses what is too much.
pub(super) fn rate_limit(
    settings: Option<&LocalRateLimit>,
    name: &str,
    asking: &Asking<'_>,
    x: &mut Exchange,
) -> Verdict {
    let own = told::<LocalRateLimit>(name, asking);
    let Some(settings) = own.as_ref().or(settings) else { return Verdict::Pass };
    let worker = asking.worker;
    if !settings.enabled.draw(&worker.rng) || settings.bucket.take(nanos(worker)) {
        return Verdict::Pass;
    }
    if !settings.enforced.draw(&worker.rng) {
        apply_headers(worker, x, Side::Request, &[], &settings.request_add);
        return Verdict::Pass;
    }
    let headers = settings.response_add.iter().map(|add| Edit {
        name: add.name.to_string(),
        value: header_value(worker, x, &add.value).into_owned(),
        how: EditHow::Add,
    });
    Verdict::Reply(LocalReply {
        flag: Some(Flag::RateLimited),
        headers: headers.collect(),
        body: b"local_rate_limited".to_vec(),
        grpc: settings.exhausted.then_some(EXHAUSTED),
        ..LocalReply::new(settings.status, "local_rate_limited")
    })
}
