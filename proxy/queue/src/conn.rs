//! A connection from its first byte on: which protocol it speaks, and whose it is. Knows no request's meaning.

mod h1;
mod h2;
mod secure;
mod upgrade;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use forebay_http::{Client, Version};
use forebay_net::sniff::PREFACE;
use forebay_net::{Accepted, Sniff, Stream, sniff};

use crate::admin;
use crate::exchange::{self, After, Exchange};
use crate::request_log::From;
use crate::sidecar::Sidecar;

/// Go's `ReadHeaderTimeout` of all the reference's servers: a head that has begun, and the first one of a connection, come within.
const HEAD: Duration = Duration::from_secs(60);

/// Which of its ports a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Requests for the app, in either protocol.
    Main,
    /// The same through TLS.
    Tls,
    /// `/wait-for-drain`.
    Admin,
    /// `/metrics` for the autoscaler.
    Stats,
    /// `/metrics` for Prometheus.
    Metrics,
    /// `/debug/pprof/`.
    Profiles,
}

/// The other end.
pub(crate) struct Peer {
    pub(crate) from: From,
    /// Its address without the port, as `x-forwarded-for` has it.
    pub(crate) text: Box<str>,
}

/// Serves a connection to its end.
pub(crate) async fn serve(sidecar: &Rc<Sidecar>, door: Door, accepted: Accepted) {
    let Accepted { stream, peer, slot: _slot } = accepted;
    let remote = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let stream = match door {
        Door::Tls => secure::shake(sidecar, stream, sidecar.certificate.as_ref().map(|own| own.tls())).await,
        Door::Metrics if sidecar.metrics_tls.is_some() => {
            secure::shake(sidecar, stream, sidecar.metrics_tls.clone()).await
        }
        Door::Main | Door::Admin | Door::Stats | Door::Metrics | Door::Profiles => {
            Some(Stream::Plain(stream))
        }
    };
    let Some(mut stream) = stream else { return };
    let secure = stream.tls().map(|tls| Rc::new(secure::about(tls)));
    let peer = Peer { from: From { remote, secure }, text: remote.ip().to_string().into() };
    let http2 = match door {
        Door::Main | Door::Tls => speaks_http2(sidecar, &mut stream).await,
        Door::Admin | Door::Stats | Door::Metrics | Door::Profiles => Some(false),
    };
    match http2 {
        Some(true) => Box::pin(h2::serve(sidecar, peer, stream)).await,
        Some(false) => {
            if let Some(wanted) = h1::serve(sidecar, door, &peer, stream).await {
                Box::pin(h2::upgraded(sidecar, peer, wanted)).await;
            }
        }
        None => {}
    }
}

/// Looks at the first bytes; `None` if there were none in time.
async fn speaks_http2(sidecar: &Rc<Sidecar>, stream: &mut Stream) -> Option<bool> {
    // Without an agreement the preface says it, in TLS as well: Knative's activator agrees on nothing.
    if let Some(agreed) = stream.tls().and_then(|tls| tls.alpn()) {
        return Some(agreed == b"h2");
    }
    let mut late = sidecar.timer.after(HEAD);
    let mut guard = sidecar.drain.guard();
    let mut first = [0; PREFACE.len()];
    let mut seen = 0;
    loop {
        let n = std::future::poll_fn(|cx| {
            if late.poll_expired(cx).is_ready() {
                return std::task::Poll::Ready(None);
            }
            if let std::task::Poll::Ready(phase) = guard.poll_phase(cx)
                && phase >= forebay_net::Phase::Closing
            {
                return std::task::Poll::Ready(None);
            }
            stream.poll_peek(cx, &mut first).map(Result::ok)
        })
        .await?;
        match sniff(first.get(..n).unwrap_or_default()) {
            _ if n == 0 => return None,
            Sniff::Http2 => return Some(true),
            Sniff::Http1 => return Some(false),
            // The beginning of a preface and nothing more: looking again finds the same at once.
            Sniff::More if n == seen => tokio::time::sleep(Duration::from_millis(1)).await,
            Sniff::More => seen = n,
        }
    }
}

/// Has the request in `x` answered by whoever it is for.
async fn answer<C: Client>(
    sidecar: &Rc<Sidecar>,
    door: Door,
    peer: &Peer,
    x: &mut Exchange,
    clocks: &mut exchange::Clocks,
    client: &mut C,
) -> After {
    // The room is another request's from before.
    x.res.clear();
    if x.req.path() == b"*" && x.req.version != Version::H2 {
        // Go's server answers for itself what is asked of it as a whole.
        return exchange::reply(sidecar, x, client, 200, b"", exchange::Kind::Bare).await;
    }
    match door {
        Door::Main | Door::Tls => exchange::run(sidecar, peer, x, clocks, client).await,
        Door::Admin => admin::drain(sidecar, x, client).await,
        Door::Stats => admin::stats(sidecar, x, client).await,
        Door::Metrics => admin::metrics(sidecar, x, client).await,
        Door::Profiles => admin::profiles(sidecar, x, client).await,
    }
}
