//! Waiting for a response's head while the request's body is still being sent. Owns interim responses; knows no retries and no
//! response bodies.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

use forebay_http::h1::{BodyError, Framing, HeadError, Limits};
use forebay_http::{Head, Up};

use super::Client;
use super::admit::Watch;
use super::attempt::h2_fault;
use super::state::Exchange;
use super::upload::Upload;
use crate::fault::Fault;
use crate::worker::Worker;

/// Response heads of endpoints: as large as requests' may be, and then some.
const RESPONSE: Limits =
    Limits { head_bytes: 128 * 1024, headers: 200, http10: true, keeps_case: false, connect: false };
/// The same where names are remembered as they were written.
const CASED: Limits = Limits { keeps_case: true, ..RESPONSE };

/// Sends the body and waits for the response's head, both at once.
pub(super) async fn until_head<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    up: &mut Up,
    upload: &mut Upload,
) -> Result<(Framing, bool), Fault> {
    if x.asked.expects_continue && !client.has_read_all() {
        // Only now, with a revision's slot and a connection in hand, is the body wanted.
        let mut interim = Head::default();
        interim.status = 100;
        client.inform(&interim).map_err(|_| Fault::ClientGone)?;
        x.asked.expects_continue = false;
        poll_fn(|cx| client.poll_flush(cx)).await.map_err(|_| Fault::ClientGone)?;
    }
    let mut watch = Watch::default();
    poll_fn(|cx| {
        // An upgrade has no body; what a stream of HTTP/2 carries for it begins with the answer.
        let none = x.asked.upgrade && matches!(up, Up::H2(_));
        if !none && !upload.is_done() {
            match upload.poll(cx, &mut x.body, client, up) {
                Ok(true) => {
                    x.bytes_in = x.body.received;
                    x.clocks.moved();
                }
                Ok(false) => {}
                Err(error) => {
                    x.bytes_in = x.body.received;
                    return Poll::Ready(Err(client_body_fault(&error)));
                }
            }
            if upload.is_done() {
                x.times.request_end = Some(worker.clock.now().since(x.times.start));
                x.clocks.request_came(worker);
            }
        }
        match poll_head(cx, x, client, up) {
            Poll::Ready(Ok(answer)) => {
                x.times.first_byte = Some(worker.clock.tick().since(x.times.start));
                return Poll::Ready(Ok(answer));
            }
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            Poll::Pending => {}
        }
        if let Poll::Ready(fault) = x.clocks.poll(cx) {
            return Poll::Ready(Err(fault));
        }
        if client.has_read_all() && watch.poll(cx, worker, client, x.req.version).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        Poll::Pending
    })
    .await
}

fn limits(keeps_case: bool) -> &'static Limits {
    if keeps_case { &CASED } else { &RESPONSE }
}

fn client_body_fault(error: &BodyError) -> Fault {
    match error {
        BodyError::Chunk(_) | BodyError::Mismatch => Fault::BadBody,
        BodyError::Truncated | BodyError::Io(_) | BodyError::H2(_) => Fault::ClientGone,
    }
}

/// The response's head; interim responses are passed on.
fn poll_head<C: Client>(
    cx: &mut Context<'_>,
    x: &mut Exchange,
    client: &mut C,
    up: &mut Up,
) -> Poll<Result<(Framing, bool), Fault>> {
    loop {
        let answer = match up {
            Up::H1(leg) => match leg.poll_response(cx, &mut x.res, limits(x.keeps_case), x.req.is_head()) {
                Poll::Ready(Ok(meta)) => (meta.framing, meta.keep_alive),
                Poll::Ready(Err(HeadError::Reject(why))) => {
                    tracing::debug!(%why, cluster = x.cluster.as_deref().unwrap_or(""), "an endpoint's response is not valid HTTP");
                    return Poll::Ready(Err(Fault::UpstreamProtocol));
                }
                // Half a head breaks the protocol, however it was broken off.
                Poll::Ready(Err(HeadError::Io(_))) if leg.buffered() > 0 => {
                    return Poll::Ready(Err(Fault::UpstreamProtocol));
                }
                Poll::Ready(Err(HeadError::Truncated)) => return Poll::Ready(Err(Fault::UpstreamProtocol)),
                Poll::Ready(Err(HeadError::Closed | HeadError::Io(_))) => {
                    return Poll::Ready(Err(Fault::UpstreamReset));
                }
                Poll::Pending => return Poll::Pending,
            },
            Up::H2(stream) => {
                if let Poll::Ready(true) = stream.poll_informational(cx, &mut x.res) {
                    forward_interim(x, client)?;
                    continue;
                }
                match stream.poll_response(cx, &mut x.res) {
                    Poll::Ready(Ok(_)) if x.asked.upgrade && x.res.status == 200 && !x.req.is_connect() => {
                        // What HTTP/2 has for it (RFC 8441).
                        x.res.status = 101;
                        x.res.push(b"upgrade", &x.said.1);
                        return Poll::Ready(Ok((Framing::None, true)));
                    }
                    Poll::Ready(Ok(framing)) => (if x.req.is_head() { Framing::None } else { framing }, true),
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(h2_fault(&e))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        match x.res.status {
            101 if x.asked.upgrade && !x.req.is_connect() => return Poll::Ready(Ok(answer)),
            101 => return Poll::Ready(Err(Fault::UpstreamProtocol)),
            100..=199 => forward_interim(x, client)?,
            _ => return Poll::Ready(Ok(answer)),
        }
    }
}

fn forward_interim<C: Client>(x: &mut Exchange, client: &mut C) -> Result<(), Fault> {
    // 100 was ours to say, unless somebody still waits for it; and HTTP/1.0 knows no interim responses.
    let wanted = x.res.status != 100 || std::mem::take(&mut x.forwards_continue);
    if wanted && x.req.version != forebay_http::Version::H10 {
        x.res.strip_hop_by_hop();
        client.inform(&x.res).map_err(|_| Fault::ClientGone)?;
    }
    Ok(())
}
