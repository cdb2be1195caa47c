//! Answers of the proxy's own: faults, redirects, direct responses. Status and words of a fault come from its table.

use std::borrow::Cow;
use std::rc::Rc;

use forebay_http::h1::Framing;
use forebay_http::{Known, Version};
use forebay_model::{Edit, EditHow, Revision};
use forebay_route::Matched;
use forebay_telemetry::log::Flag;

use super::Client;
use super::state::Exchange;
use super::{After, grpc, headers, hygiene, mapping, record, relay};
use crate::fault::Fault;
use crate::filters::apply_edit;
use crate::worker::Worker;

/// An answer that a filter makes.
pub(crate) struct LocalReply {
    pub(crate) status: u16,
    pub(crate) flag: Option<Flag>,
    pub(crate) details: &'static str,
    /// Text, unless the headers say otherwise.
    pub(crate) body: Vec<u8>,
    /// gRPC's status for a gRPC client, where it is not the one of the HTTP status.
    pub(crate) grpc: Option<u32>,
    /// Of one name there are those of this list and no others.
    pub(crate) headers: Vec<Edit>,
}

impl LocalReply {
    /// A status without a body.
    pub(crate) fn new(status: u16, details: &'static str) -> Self {
        Self { status, flag: None, details, body: Vec::new(), grpc: None, headers: Vec::new() }
    }
}

/// Answers for a filter.
pub(super) async fn reply<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    reply: LocalReply,
    matched: Option<&Matched<'_>>,
) -> After {
    if let Some(flag) = reply.flag {
        x.flags.set(flag);
    }
    x.details = reply.details;
    x.res.clear();
    x.res.status = reply.status;
    if !reply.body.is_empty() {
        x.res.push(b"content-type", b"text/plain");
    }
    for edit in &reply.headers {
        x.res.remove(edit.name.as_bytes());
    }
    for edit in &reply.headers {
        apply_edit(&mut x.res, &Edit { how: EditHow::Add, ..edit.clone() });
    }
    x.grpc_status = reply.grpc;
    answer(worker, x, client, &reply.body, matched).await
}

/// Answers a fault. Callers of a revision get JSON that names it, the cause and the clock; others Envoy's words.
pub(super) async fn fault<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    fault: Fault,
    revision: Option<&Revision>,
    matched: Option<&Matched<'_>>,
) -> After {
    let reply = fault.reply();
    if matches!(fault, Fault::StreamLate | Fault::StreamLateRequest) {
        // DEADLINE_EXCEEDED, whatever the HTTP status would be called.
        x.grpc_status = Some(4);
    }
    if reply.status == 0 {
        return relay::gone(worker, x, client);
    }
    if let Some(flag) = reply.flag {
        x.flags.set(flag);
    }
    x.details = reply.details;
    if let Fault::UpstreamTls(_) = fault {
        x.long_details = format!(
            "upstream_reset_before_response_started{{remote_connection_failure|{}}}",
            x.transport_failure
        );
    }
    x.res.clear();
    x.res.status = reply.status;
    // Envoy's callers are told nothing of the kind.
    if let Some(seconds) = reply.retry_after.filter(|_| revision.is_some()) {
        let mut digits = itoa::Buffer::new();
        x.res.push(b"retry-after", digits.format(seconds).as_bytes());
    }
    let json = revision.map(|revision| explain(fault, revision, x.elapsed(worker) / 1000));
    let words = match reply.body.split_once("reset reason: ") {
        Some((before, reason)) if x.attempts > 1 => {
            format!("{before}retried and the latest reset reason: {reason}").into()
        }
        _ => Cow::Borrowed(reply.body),
    };
    if fault == Fault::Underscore {
        // By then Envoy has nothing of the head.
        x.req.clear();
    }
    if fault == Fault::Overflow {
        x.res.push(b"x-envoy-overloaded", b"true");
    }
    if x.counts_tries && x.attempts > 0 && fault.is_upstreams() {
        let mut digits = itoa::Buffer::new();
        x.res.push(Known::EnvoyAttemptCount.name(), digits.format(x.attempts).as_bytes());
    }
    let body = json.as_deref().unwrap_or(&words).as_bytes();
    if !body.is_empty() {
        let kind: &[u8] = if json.is_some() { b"application/json" } else { b"text/plain" };
        x.res.push(b"content-type", kind);
    }
    x.asked.keep_alive &= !reply.close;
    answer(worker, x, client, body, matched).await
}

/// The body a revision's caller gets.
fn explain(fault: Fault, revision: &Revision, after_ms: u64) -> String {
    let body = serde_json::json!({
        "error": {
            "status": fault.reply().status,
            "revision": format!("{}/{}", revision.namespace, revision.name),
            "cause": fault.cause(),
            "clock": fault.clock(),
            "afterMs": after_ms,
        }
    });
    let mut text = body.to_string();
    text.push('\n');
    text
}

/// Sends the client elsewhere.
pub(super) async fn redirect<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    status: u16,
    location: &[u8],
    matched: Option<&Matched<'_>>,
) -> After {
    // Without a route it is the path's own form that sends the client away.
    x.details = if matched.is_some() { "direct_response" } else { "path_normalization_failed" };
    x.res.clear();
    x.res.status = status;
    x.res.push(b"location", location);
    answer(worker, x, client, b"", matched).await
}

/// A route's own answer.
pub(super) async fn direct<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    status: u16,
    body: &[u8],
    matched: &Matched<'_>,
) -> After {
    x.details = "direct_response";
    x.res.clear();
    x.res.status = status;
    if !body.is_empty() {
        x.res.push(b"content-type", b"text/plain");
    }
    answer(worker, x, client, body, Some(matched)).await
}

/// Writes the whole of `x.res` with this body.
async fn answer<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    body: &[u8],
    matched: Option<&Matched<'_>>,
) -> After {
    let on = x.open.as_ref().map(|(_, on)| on.clone());
    x.res.version = Version::H11;
    if let Some(matched) = matched {
        headers::response(worker, x, matched);
    }
    let http = on.as_ref().map(|on| on.http());
    let written = match http.as_ref().and_then(|http| http.manager.local_replies.as_ref()) {
        Some(replies) => mapping::rewrite(worker, x, replies, body),
        None => Cow::Borrowed(body),
    };
    let body =
        if grpc::is_call(&x.req) { grpc::answer(&mut x.res, x.grpc_status, &written) } else { &*written };
    x.status = x.res.status;
    if let Some(on) = &on {
        hygiene::finish(worker, on, matched, x);
    }
    // A body that was announced and not read would be taken for the next request.
    let keep = x.asked.keep_alive && client.has_read_all() && !x.sends_away(worker);
    let framing = match x.res.status {
        204 | 304 => Framing::None,
        _ if x.req.is_head() => Framing::Unsent,
        _ => Framing::Length(body.len() as u64),
    };
    // HTTP/1 frames by it, HTTP/2 tells it; of a response without its body it says what there would be.
    if !body.is_empty() {
        let mut digits = itoa::Buffer::new();
        x.res.set(Known::ContentLength.name(), digits.format(body.len()).as_bytes());
    }
    let persist = relay::persist(keep, x);
    if client.respond(&x.res, framing, persist, x.req.version).is_err() {
        return relay::gone(worker, x, client);
    }
    if matches!(framing, Framing::Length(_)) && !body.is_empty() {
        let mut rest = body;
        while !rest.is_empty() {
            match std::future::poll_fn(|cx| client.poll_send(cx, rest)).await {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(_) => return relay::gone(worker, x, client),
            }
        }
        x.bytes_out = body.len() as u64;
        if client.finish(None).is_err() {
            return relay::gone(worker, x, client);
        }
    }
    if relay::flush(client).await.is_err() {
        return relay::gone(worker, x, client);
    }
    record::done(worker, x, client);
    if keep { After::KeepAlive } else { After::Close }
}
