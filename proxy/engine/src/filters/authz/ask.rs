//! The question and its answer, over gRPC or as a copy of the request's head. Knows nothing of what follows from it.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use forebay_http::{Head, tokens};
use forebay_model::{
    Allowed, AuthzGrpc, AuthzHttp, AuthzService, Check, Decision, Denied, Edit, EditHow, ExtAuthz,
    HeaderNames, decode_decision, encode_check,
};
use forebay_route::ClusterIx;

use super::Shown;
use crate::call::{Answer, Failed, call};
use crate::exchange::{Client, Exchange, Watch, header_value};
use crate::fault::Fault;
use crate::filters::Asking;

/// Asks, watching the client meanwhile. Any fault but its leaving means that there is no answer.
pub(super) async fn ask<C: Client>(
    settings: &ExtAuthz,
    asking: &Asking<'_>,
    extensions: &[(&str, &str)],
    shown: Option<Shown>,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Decision, Fault> {
    let headers = visible(settings, &x.req, shown.as_ref());
    let answer = match &settings.service {
        AuthzService::Grpc(service) => {
            let body = frame(&encode_check(&describe(asking, extensions, shown.as_ref(), headers, x)));
            let head = grpc_head(service, asking, x);
            send(asking, service.cluster, service.timeout, head, &body, x, client).await?
        }
        AuthzService::Http(service) => {
            let head = http_head(service, asking, &headers, x);
            let body = if shown.is_some() { x.held.clone() } else { Vec::new() };
            send(asking, service.cluster, service.timeout, head, &body, x, client).await?
        }
    };
    let answer = answer.map_err(|why| {
        tracing::debug!(?why, "an authorizer did not answer");
        Fault::UpstreamReset
    })?;
    let decision = match &settings.service {
        AuthzService::Grpc(_) => grpc_decision(&answer),
        AuthzService::Http(service) => http_decision(service, answer),
    };
    decision.ok_or(Fault::UpstreamProtocol)
}

/// Calls the cluster, unless the client goes first.
async fn send<C: Client>(
    asking: &Asking<'_>,
    cluster: ClusterIx,
    timeout: Duration,
    head: Head,
    body: &[u8],
    x: &mut Exchange,
    client: &mut C,
) -> Result<Result<Answer, Failed>, Fault> {
    let worker = asking.worker;
    let Some(state) = worker.config.cluster(cluster) else { return Ok(Err(Failed::NoEndpoint)) };
    let mut work = Box::pin(call(worker, &state, &head, body, timeout));
    let mut watch = Watch::default();
    poll_fn(|cx| {
        if let Poll::Ready(answer) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(answer));
        }
        if client.has_read_all() {
            return watch.poll(cx, worker, client, x.req.version).map(|()| Err(Fault::ClientGone));
        }
        Poll::Pending
    })
    .await
}

/// Where the body of a request ends before its end, as the authorizer is told.
const PARTIAL: &[u8] = b"x-envoy-auth-partial-body";

/// The headers the authorizer may see: pseudo headers first, repeated ones joined.
fn visible<'r>(settings: &ExtAuthz, req: &'r Head, shown: Option<&Shown>) -> Vec<(&'r [u8], Vec<u8>)> {
    let sees = |name: &[u8]| {
        settings.allowed_headers.as_ref().is_none_or(|allowed| allowed.contains(name))
            && !settings.disallowed_headers.contains(name)
    };
    let pseudo: [(&[u8], &[u8]); 4] = [
        (b":authority", req.authority()),
        (b":path", req.path()),
        (b":method", req.method()),
        (b":scheme", req.scheme.as_str().as_bytes()),
    ];
    let mut all: Vec<(&[u8], Vec<u8>)> = Vec::with_capacity(req.len() + pseudo.len());
    for (name, value) in pseudo.into_iter().chain(req.iter().map(|(name, value, _)| (name, value))) {
        // The host is in the authority; what a client says of a partial body is not to be believed.
        if name == b"host" || name == PARTIAL || !sees(name) {
            continue;
        }
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, joined)) => {
                joined.push(b',');
                joined.extend_from_slice(value);
            }
            None => all.push((name, value.to_vec())),
        }
    }
    if let Some(shown) = shown {
        all.push((PARTIAL, if shown.partial { b"true".to_vec() } else { b"false".to_vec() }));
    }
    all
}

fn describe<'r>(
    asking: &Asking<'_>,
    extensions: &'r [(&'r str, &'r str)],
    shown: Option<&Shown>,
    headers: Vec<(&'r [u8], Vec<u8>)>,
    x: &'r Exchange,
) -> Check<'r> {
    Check {
        source: asking.peer.remote,
        destination: asking.peer.local,
        service: x.req.get(b"x-envoy-downstream-service-cluster").unwrap_or_default(),
        time: asking.worker.clock.unix_micros(x.times.start),
        id: asking.worker.rng.next_u64(),
        method: x.req.method(),
        path: x.req.path(),
        host: x.req.authority(),
        scheme: x.req.scheme.as_str(),
        protocol: x.req.version.as_str(),
        // All that has come, also where less of it is shown.
        size: x.bytes_in.max(x.held.len() as u64),
        headers,
        body: shown.map(|shown| (x.held.as_slice(), shown.as_bytes)),
        extensions: extensions.to_vec(),
    }
}

// === gRPC

/// The method's path.
const CHECK: &[u8] = b"/envoy.service.auth.v3.Authorization/Check";

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

fn grpc_head(service: &AuthzGrpc, asking: &Asking<'_>, x: &Exchange) -> Head {
    let mut head = Head::default();
    head.set_request(b"POST", CHECK, service.authority.as_bytes());
    head.push(b"te", b"trailers");
    if !service.timeout.is_zero() {
        head.push(b"grpc-timeout", format!("{}m", service.timeout.as_millis()).as_bytes());
    }
    head.push(b"content-type", b"application/grpc");
    for add in &service.metadata {
        head.push(add.name.as_bytes(), &header_value(asking.worker, x, &add.value));
    }
    head.push(b"x-envoy-internal", b"true");
    head.push(b"x-forwarded-for", forebay_net::local_address().as_bytes());
    if !service.timeout.is_zero() {
        head.push(b"x-envoy-expected-rq-timeout-ms", service.timeout.as_millis().to_string().as_bytes());
    }
    head
}

fn grpc_decision(answer: &Answer) -> Option<Decision> {
    let status = answer.trailers.as_ref().and_then(|trailers| trailers.get(b"grpc-status"));
    let status = status.or_else(|| answer.head.get(b"grpc-status"))?;
    let (&compressed, rest) = answer.body.split_first()?;
    let (length, message) = rest.split_first_chunk::<4>()?;
    let whole = u32::from_be_bytes(*length) as usize == message.len();
    if answer.head.status != 200 || status != b"0" || compressed != 0 || !whole {
        return None;
    }
    decode_decision(message)
}

// === HTTP

fn http_head(service: &AuthzHttp, asking: &Asking<'_>, headers: &[(&[u8], Vec<u8>)], x: &Exchange) -> Head {
    let seen =
        |name: &[u8]| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_slice());
    let mut head = Head::default();
    let path = match &*service.path_override {
        "" => [service.path_prefix.as_bytes(), seen(b":path").unwrap_or(b"/")].concat(),
        path => path.as_bytes().to_vec(),
    };
    head.set_request(seen(b":method").unwrap_or(b"GET"), &path, seen(b":authority").unwrap_or_default());
    for (name, value) in headers {
        // The length is that of what is sent here.
        if !name.starts_with(b":") && *name != b"content-length" {
            head.push(name, value);
        }
    }
    for add in &service.headers_to_add {
        head.push(add.name.as_bytes(), &header_value(asking.worker, x, &add.value));
    }
    head.push(b"x-envoy-internal", b"true");
    if !service.timeout.is_zero() {
        head.push(b"x-envoy-expected-rq-timeout-ms", service.timeout.as_millis().to_string().as_bytes());
    }
    head
}

/// What the authorizer wants gone from the request, by its own header.
const REMOVE: &[u8] = b"x-envoy-auth-headers-to-remove";

fn http_decision(service: &AuthzHttp, answer: Answer) -> Option<Decision> {
    let Answer { head, body, .. } = answer;
    let edits = |how, wanted: &dyn Fn(&[u8]) -> bool| -> Vec<Edit> {
        head.iter()
            .filter(|(name, ..)| wanted(name) && *name != REMOVE)
            .map(|(name, value, _)| Edit {
                name: String::from_utf8_lossy(name).into_owned(),
                value: value.to_vec(),
                how,
            })
            .collect()
    };
    match head.status {
        500.. => None,
        200 => {
            let of = |names: &HeaderNames, how| edits(how, &|name| names.contains(name));
            let mut request = of(&service.upstream_headers, EditHow::Set);
            request.extend(of(&service.upstream_headers_to_append, EditHow::Add));
            let remove = head
                .values(REMOVE)
                .flat_map(tokens)
                .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
                .collect();
            let response = of(&service.client_headers_on_success, EditHow::Add);
            Some(Decision::Allowed(Allowed { request, remove, response, ..Allowed::default() }))
        }
        status => {
            let passes = |name: &[u8]| match &service.client_headers {
                None => true,
                Some(names) => {
                    names.contains(name)
                        || matches!(name, b"www-authenticate" | b"location" | b"content-length")
                }
            };
            Some(Decision::Denied(Denied { status, headers: edits(EditHow::Add, &passes), body }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8], trailer: Option<&[u8]>) -> Answer {
        let mut head = Head::default();
        head.status = status;
        let trailers = trailer.map(|status| {
            let mut trailers = Head::default();
            trailers.push(b"grpc-status", status);
            trailers
        });
        Answer { head, body: body.to_vec(), trailers }
    }

    #[test]
    fn only_a_whole_message_with_status_0_is_an_answer() {
        let whole = frame(b"");
        assert!(grpc_decision(&answer(200, &whole, Some(b"0"))).is_some());
        for (status, body, trailer) in [
            (200, &whole[..], None),
            (200, &whole[..], Some(&b"14"[..])),
            (503, &whole[..], Some(&b"0"[..])),
            (200, &whole[..3], Some(&b"0"[..])),
            (200, b"", Some(&b"0"[..])),
            (200, b"\x01\0\0\0\0", Some(&b"0"[..])),
            (200, b"\0\0\0\0\x05abc", Some(&b"0"[..])),
            (200, b"\0\0\0\0\x02\xff\xff", Some(&b"0"[..])),
        ] {
            assert_eq!(grpc_decision(&answer(status, body, trailer)), None, "{status} {body:?} {trailer:?}");
        }
    }
}
