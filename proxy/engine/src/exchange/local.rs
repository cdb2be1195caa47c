//! Answers of the proxy's own: faults, redirects, direct responses. Status and words of a fault come from its table.

use std::rc::Rc;

use forebay_http::h1::Framing;
use forebay_http::{Known, Version};
use forebay_model::Revision;
use forebay_route::Matched;

use super::client::Client;
use super::state::Exchange;
use super::{After, hygiene, record, relay};
use crate::fault::Fault;
use crate::worker::Worker;

/// Answers a fault. Callers of a revision get JSON that names it, the cause and the clock; others Envoy's words.
pub(super) async fn fault<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    fault: Fault,
    revision: Option<&Revision>,
) -> After {
    let reply = fault.reply();
    if let Some(flag) = reply.flag {
        x.flags.set(flag);
    }
    x.details = reply.details;
    if reply.status == 0 {
        return relay::gone(worker, x, client);
    }
    x.res.clear();
    x.res.status = reply.status;
    if let Some(seconds) = reply.retry_after {
        let mut digits = itoa::Buffer::new();
        x.res.push(b"retry-after", digits.format(seconds).as_bytes());
    }
    let json = revision.map(|revision| explain(fault, revision, x.elapsed(worker) / 1000));
    let body = json.as_deref().unwrap_or(reply.body).as_bytes();
    if !body.is_empty() {
        let kind: &[u8] = if json.is_some() { b"application/json" } else { b"text/plain" };
        x.res.push(b"content-type", kind);
    }
    x.asked.keep_alive &= !reply.close;
    answer(worker, x, client, body, None).await
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
) -> After {
    x.details = "direct_response";
    x.res.clear();
    x.res.status = status;
    x.res.push(b"location", location);
    answer(worker, x, client, b"", None).await
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
    x.status = x.res.status;
    x.res.version = Version::H11;
    if let Some(on) = &on {
        hygiene::response(worker, on, matched, x);
    }
    // A body that was announced and not read would be taken for the next request.
    let keep = x.asked.keep_alive && client.has_read_all() && !worker.sends_away();
    let bodiless = x.req.is_head() || matches!(x.res.status, 204 | 304);
    let framing = if bodiless { Framing::None } else { Framing::Length(body.len() as u64) };
    // HTTP/1 frames by it, HTTP/2 tells it; of a response without its body it says what there would be.
    if !body.is_empty() {
        let mut digits = itoa::Buffer::new();
        x.res.set(Known::ContentLength.name(), digits.format(body.len()).as_bytes());
    }
    if client.respond(&x.res, framing, relay::persist(keep, x), x.req.version).is_err() {
        return relay::gone(worker, x, client);
    }
    if framing != Framing::None && !body.is_empty() {
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
    record::finish(worker, x);
    if keep { After::KeepAlive } else { After::Close }
}
