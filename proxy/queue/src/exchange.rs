//! One request's path, top to bottom: probes → in flight → clocks → headers → load → breaker → app → both bodies. Owns the order,
//! which is the reference's (serving: `pkg/queue/sharedmain/handlers.go`); each step has its file. Knows no accept loop.

mod breaker;
mod broken;
mod clocks;
mod connect;
mod forward;
mod headers;
mod probes;
mod quote;
mod relay;
mod reply;
mod sniff;
mod tunnel;

use std::rc::Rc;

use forebay_http::h1::Framing;
use forebay_http::{Client, Head, Known};

use forebay_net::Micros;

use crate::conn::Peer;
use crate::life;
use crate::metrics::{Forwarded, Labels};
use crate::request_log::Outcome;
use crate::sidecar::Sidecar;
use crate::trace::Traced;

use broken::Broken;
pub(crate) use broken::Errno;
pub(crate) use clocks::Clocks;
use forward::Answered;
pub(crate) use probes::is_probe;
pub(crate) use quote::quote;
pub(crate) use reply::{Kind, reply};

/// What the connection does after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It may carry another request.
    KeepAlive,
    /// It closes once everything is flushed.
    Close,
}

/// What is known of a request beside its head.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) upgrade: bool,
    /// Whether its connection is not its own: it is a stream of HTTP/2.
    pub(crate) apart: bool,
}

/// The room of one request. Reused, so that a warm one allocates nothing.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(crate) req: Head,
    pub(crate) res: Head,
    pub(crate) asked: Asked,
    /// A header value on its way.
    scratch: Vec<u8>,
    /// What the client asked to upgrade to.
    upgrade: Vec<u8>,
    /// The status that was answered, as the request log has it.
    status: u16,
    /// Bytes of body that were answered.
    sent: u64,
    /// Bytes of body that came.
    came: u64,
    /// What metrics keep of it, where there are metrics.
    labels: Option<Box<Labels>>,
    /// Its spans, where there are traces.
    trace: Option<Box<Traced>>,
}

/// Why a request did not get its response from the app.
#[derive(Debug)]
enum Fault {
    /// As many wait as may.
    QueueFull,
    /// A clock ran out.
    Late,
    /// The client went away, or half away: the reference does not tell the two apart.
    Gone,
    /// The client's body broke its framing.
    BadBody,
    /// The app.
    App(Broken),
}

impl Fault {
    /// Go's type of the error.
    fn kind(&self) -> &'static str {
        match self {
            Fault::App(broken) => broken.kind(),
            Fault::BadBody => "errors.errorString",
            Fault::Late | Fault::Gone | Fault::QueueFull => "context.Canceled",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::App(broken) => broken.fmt(f),
            Fault::BadBody => f.write_str("invalid byte in chunk length"),
            Fault::Late | Fault::Gone | Fault::QueueFull => f.write_str("context canceled"),
        }
    }
}

/// Serves one request whose head is in `x.req`, and tells of it where that is asked for.
pub(crate) async fn run<C: Client>(
    sidecar: &Rc<Sidecar>,
    peer: &Peer,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
) -> After {
    let now = sidecar.clock.tick();
    // What Go's recorder says of an answer that nobody wrote.
    (x.status, x.sent, x.came) = (200, 0, 0);
    if sidecar.is_watched {
        return Box::pin(watched(sidecar, peer, x, clocks, client, now)).await;
    }
    serve(sidecar, peer, x, clocks, client, now).await
}

/// Serves a request and tells metrics, traces and the request log of it, those that there are.
async fn watched<C: Client>(
    sidecar: &Rc<Sidecar>,
    peer: &Peer,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
    now: Micros,
) -> After {
    let probe = is_probe(&x.req);
    let metrics = sidecar.metrics.as_ref().filter(|_| !probe);
    x.labels = metrics.map(|metrics| metrics.began(&x.req, peer.from.secure.is_some(), true, now.0));
    let tracer = sidecar.tracer.as_deref().filter(|_| !probe);
    x.trace = tracer.map(|tracer| Traced::new(tracer, &x.req, peer, sidecar.clock.unix_micros(now)));
    let log = sidecar.log.as_ref();
    let kept = log.and_then(|log| log.keep(&x.req, x.asked.framing, !x.asked.keep_alive));
    let after = serve(sidecar, peer, x, clocks, client, now).await;
    let end = sidecar.clock.tick();
    if let (Some(log), Some(kept)) = (log, kept) {
        log.log(&kept, &peer.from, Outcome { status: x.status, size: x.sent, latency: end.since(now) });
    }
    if let (Some(tracer), Some(trace)) = (tracer, x.trace.take()) {
        trace.end(tracer, x.status, x.came, x.sent, sidecar.clock.unix_micros(end));
    }
    if let (Some(metrics), Some(labels)) = (metrics, x.labels.take()) {
        metrics.served(&labels, x.status, end.0, x.came, x.sent);
    }
    after
}

async fn serve<C: Client>(
    sidecar: &Rc<Sidecar>,
    peer: &Peer,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
    now: Micros,
) -> After {
    match probes::of(&x.req) {
        Some(probes::Probe::Health) => return Box::pin(probes::health(sidecar, x, client)).await,
        Some(probes::Probe::Ingress) => return Box::pin(probes::ingress(sidecar, x, client)).await,
        None => {}
    }
    sidecar.quiet.touch(now);
    let mut counted = life::Counted::new(&sidecar.in_flight, x.asked.apart);
    clocks.begin(now);
    headers::forwarded(x);
    // Old ingresses rewrite kubelet's probes and say so; those are nobody's load.
    let probe = x.req.known(Known::KKubeletProbe).is_some_and(|v| !v.is_empty());
    let _load = (!probe).then(|| Loading::begin(sidecar, &x.req));
    if !probe {
        headers::host(&mut x.req);
    }
    if let (false, Some(tracer), Some(trace)) = (probe, &sidecar.tracer, &mut x.trace) {
        trace.proxying(tracer, sidecar.gate.is_some(), sidecar.unix_micros());
    }
    let permit = if probe { Ok(None) } else { breaker::enter(sidecar, x, clocks, client).await };
    let entered = sidecar.clock.now();
    if let Some(trace) = &mut x.trace {
        trace.waited(sidecar.unix_micros());
    }
    if let Some(metrics) = sidecar.metrics.as_ref().filter(|_| permit.is_ok()) {
        metrics.entered(sidecar.depth());
    }
    let invoked = permit.is_ok();
    let answered = match permit {
        Ok(permit) => {
            headers::outgoing(x, peer, sidecar.config.app);
            if let (Some(tracer), Some(trace)) = (&sidecar.tracer, &mut x.trace) {
                trace.forwarding(tracer, &mut x.req, sidecar.unix_micros());
            }
            let answered = forward::until_answered(sidecar, x, clocks, client).await;
            if let (Some(metrics), Some(labels)) = (&sidecar.metrics, &x.labels) {
                let outcome = match &answered {
                    Ok(_) => Forwarded::Answered(x.res.status),
                    Err(fault) => Forwarded::Failed(fault.kind()),
                };
                let took = sidecar.clock.tick().since(entered);
                metrics.forwarded(labels, &outcome, took, answered.as_ref().map_or(0, Answered::uploaded));
            }
            if let Some(trace) = &mut x.trace {
                let status = x.res.status;
                let outcome =
                    answered.as_ref().map(|_| status).map_err(|fault| (fault.kind(), fault.to_string()));
                trace.answered(outcome, sidecar.unix_micros());
            }
            answered.map(|answered| (answered, permit))
        }
        Err(fault) => Err(fault),
    };
    let after = match answered {
        Ok((mut answered, _permit)) if x.res.status == 101 => {
            counted.set_apart();
            Box::pin(tunnel::run(sidecar, x, clocks, client, &mut answered)).await
        }
        Ok((mut answered, _permit)) => {
            let after = relay::response(sidecar, x, clocks, client, &mut answered).await;
            x.came = answered.uploaded();
            answered.give_back(sidecar);
            after
        }
        Err(fault) => Box::pin(fail(sidecar, x, client, fault)).await,
    };
    if let Some(trace) = &mut x.trace {
        trace.forwarded(sidecar.unix_micros());
    }
    if let (true, Some(metrics), Some(labels)) = (invoked, &sidecar.metrics, &x.labels) {
        metrics.invoked(labels, x.status, sidecar.clock.tick().since(entered));
    }
    after
}

/// Answers in place of the app.
async fn fail<C: Client>(sidecar: &Rc<Sidecar>, x: &mut Exchange, client: &mut C, fault: Fault) -> After {
    // What the app may have said before it failed is no part of the answer.
    x.res.clear();
    match fault {
        Fault::QueueFull => {
            reply(sidecar, x, client, 503, b"pending request queue full\n", Kind::Error).await
        }
        Fault::Late => reply(sidecar, x, client, 504, TIMEOUT, Kind::Sniffed).await,
        Fault::App(broken) => {
            tracing::error!(error = %broken, "error reverse proxying request; sockstat: {}", sockets());
            let text = format!("{broken}\n");
            reply(sidecar, x, client, 502, text.as_bytes(), Kind::Error).await
        }
        Fault::BadBody => {
            reply(sidecar, x, client, 502, b"invalid byte in chunk length\n", Kind::Error).await
        }
        Fault::Gone => {
            tracing::debug!(error = "context canceled", "request context canceled");
            client.abort();
            After::Close
        }
    }
}

/// The kernel's count of sockets, which tells who reads the log whether they have run out.
fn sockets() -> String {
    std::fs::read_to_string("/proc/net/sockstat").unwrap_or_else(|why| format!("not readable: {why}"))
}

/// What a client is told when a clock runs out (serving: `mainHandler`).
const TIMEOUT: &[u8] = b"request timeout";

/// A request that is somebody's load, until dropped.
struct Loading {
    sidecar: Rc<Sidecar>,
    proxied: bool,
}

impl Loading {
    fn begin(sidecar: &Rc<Sidecar>, req: &Head) -> Self {
        let proxied = req.known(Known::KProxyRequest) == Some(b"activator");
        sidecar.load.start(proxied, sidecar.clock.now().0);
        Self { sidecar: sidecar.clone(), proxied }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.sidecar.load.end(self.proxied, self.sidecar.clock.tick().0);
    }
}
