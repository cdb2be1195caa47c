//! One request's path, top to bottom: hygiene → route → admit → pick → lease → forward → relay → record. Owns the order; each
//! step has its file. Knows no accept loop.

mod admit;
mod again;
mod answer;
mod attempt;
mod called;
mod client_cert;
mod connection;
mod counts;
mod forwarding;
mod grpc;
mod headers;
mod hygiene;
mod limits;
mod local;
mod mapping;
mod place;
mod record;
mod relay;
mod shown;
mod state;
mod timing;
mod trace;
mod tries;
mod tunnel;
mod upload;
mod websocket;
mod wire;
mod wishes;

use std::rc::Rc;
use std::sync::Arc;

use forebay_http::Version;
use forebay_http::path::Rules;
use forebay_model::{HttpManager, Protocol};
use forebay_route::{Forward, Matched, Picked};
use forebay_telemetry::{ClusterTime, Http, HttpStats};

pub(crate) use admit::Watch;
pub(crate) use called::{Apart, Called};
pub(crate) use connection::{Line, own as own_connection};
pub(crate) use forebay_http::{Client, Left};
pub(crate) use headers::{Side, apply as apply_headers, value as header_value};
pub(crate) use local::LocalReply;
pub(crate) use state::{Asked, Exchange, Peer, View};
pub(crate) use upload::HeldBody;
pub(crate) use wire::{Wire, keep};
use wishes::Wishes;

use crate::config::ClusterState;
use crate::conn::Listening;
use crate::fault::Fault;
use crate::filters::{Asking, Replay, Verdict};
use crate::worker::Worker;

/// What the connection does after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It may carry another request.
    KeepAlive,
    /// It closes once everything is flushed.
    Close,
}

/// Serves one request whose head is in `x.req`. Every path out of here has either answered the client or found it gone, and
/// `x` records it, by [`record::done`] or, if this future is dropped, by its destructor.
pub(crate) async fn run<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    asked: Asked,
    x: &mut Exchange,
    client: &mut C,
) -> After {
    x.begin(worker, on, peer, asked);
    worker.obey();
    if x.asked.expects_continue && on.http().manager.proxy_100_continue {
        x.asked.expects_continue = false;
        x.forwards_continue = true;
    }
    if let Err(fault) = hygiene::request(worker, on, peer, x) {
        return local::fault(worker, x, client, fault, None, None).await;
    }
    if let Some(location) = x.redirect_to.take() {
        return local::redirect(worker, x, client, 307, &location, None).await;
    }
    let http = on.http();
    trace::begin(worker, &http, x);
    let mut passed = 0;
    loop {
        let table = on.table(worker);
        let matched = table.as_ref().and_then(|table| table.lookup(&state::View(&x.req), &worker.rng));
        if http.logs_routes {
            x.route = matched.as_ref().map(|matched| matched.route.name.clone());
        }
        if x.asked.expects_continue
            && !matched.as_ref().is_some_and(|matched| is_gated(worker, matched))
            && proceed(x, client).await.is_err()
        {
            return relay::gone(worker, x, client);
        }
        if let Some(chain) = &http.filters {
            x.cluster = matched.as_ref().and_then(|matched| bound_for(worker, matched));
            let asking = Asking { worker, on, peer, matched: matched.as_ref() };
            // Boxed: what filters hold, a request without them should not carry room for.
            match Box::pin(chain.request(passed, &asking, x, client)).await {
                Verdict::Pass => {}
                Verdict::Reroute(behind) => {
                    passed = behind;
                    continue;
                }
                Verdict::Reply(reply) => {
                    return local::reply(worker, x, client, reply, matched.as_ref()).await;
                }
                Verdict::Fault(fault) => {
                    return local::fault(worker, x, client, fault, None, matched.as_ref()).await;
                }
            }
        }
        let Some(matched) = matched else {
            on.http().stats.inc(Http::NoRoute);
            return local::fault(worker, x, client, Fault::NoRoute, None, None).await;
        };
        if x.held.is_empty() {
            return routed(worker, on, &matched, x, client).await;
        }
        let held = std::mem::take(&mut x.held);
        let mut client = Replay::new(client, held);
        return Box::pin(routed(worker, on, &matched, x, &mut client)).await;
    }
}

/// The name of the cluster that a request is on its way to.
fn bound_for(worker: &Worker, matched: &Matched<'_>) -> Option<Arc<str>> {
    match matched.action {
        Picked::Forward { cluster, .. } => Some(worker.config.cluster(cluster)?.now().config.name.clone()),
        Picked::Direct(_) | Picked::Redirect(_) | Picked::Https => None,
    }
}

/// Whether a request may have to wait for its revision to start: its body is wanted when there is somebody to have it.
fn is_gated(worker: &Worker, matched: &Matched<'_>) -> bool {
    match matched.action {
        Picked::Forward { cluster, .. } => {
            worker.config.cluster(cluster).is_some_and(|state| state.now().config.revision.is_some())
        }
        Picked::Direct(_) | Picked::Redirect(_) | Picked::Https => false,
    }
}

/// Tells a client that waits for it to send its body: at once, as Envoy does, and not when there is an endpoint to send it to.
/// What of it comes before is bounded by a buffer, and by the kernel's.
async fn proceed<C: Client>(x: &mut Exchange, client: &mut C) -> std::io::Result<()> {
    let mut interim = forebay_http::Head::default();
    interim.status = 100;
    client.inform(&interim)?;
    x.asked.expects_continue = false;
    relay::flush(client).await
}

/// Does what the route says.
async fn routed<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    matched: &Matched<'_>,
    x: &mut Exchange,
    client: &mut C,
) -> After {
    match matched.action {
        Picked::Direct(direct) => {
            on.http().stats.inc(Http::RqDirectResponse);
            headers::request(worker, x, matched);
            local::direct(worker, x, client, direct.status, &direct.body, matched).await
        }
        Picked::Redirect(redirect) => {
            on.http().stats.inc(Http::RqRedirect);
            let location = redirect.location(matched.route, &state::View(&x.req));
            local::redirect(worker, x, client, redirect.status, &location, Some(matched)).await
        }
        Picked::Https => {
            on.http().stats.inc(Http::RqRedirect);
            let location = [b"https://", x.req.authority(), x.req.path()].concat();
            local::redirect(worker, x, client, 301, &location, Some(matched)).await
        }
        Picked::Forward { cluster, split, forward } => {
            let found = match split.cluster_header().or(forward.cluster_header()) {
                None => worker.config.cluster(cluster),
                Some(header) => {
                    x.req.get(header.as_bytes()).and_then(|name| worker.config.cluster_called(name))
                }
            };
            let Some(state) = found else {
                on.http().stats.inc(Http::NoCluster);
                let fault = Fault::NoCluster(forward.no_cluster_status());
                return local::fault(worker, x, client, fault, None, Some(matched)).await;
            };
            if x.asked.upgrade && !x.upgrade_allowed(on, forward) {
                on.http().stats.inc(Http::DownstreamRqWsOnNonWsRoute);
                x.cluster = Some(state.now().config.name.clone());
                return local::fault(worker, x, client, Fault::UpgradeNotAllowed, None, Some(matched)).await;
            }
            x.ends_connect =
                x.req.is_connect() && forward.rare.as_ref().is_some_and(|rare| rare.connect_ends);
            let wishes = wishes::clocks(x, forward);
            headers::request(worker, x, matched);
            hygiene::rewrite(&mut x.req, matched, split, forward, on.http().manager.envoy_headers);
            forward_to(worker, on, state, matched, forward, &wishes, x, client).await
        }
    }
}

/// Answers a request whose head was refused.
pub(crate) async fn refuse<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    fault: Fault,
    x: &mut Exchange,
    client: &mut C,
) -> After {
    let read = matches!(fault, Fault::Head(why) if why.has_head());
    if !read {
        // What came by HTTP/1 and was not read is HTTP/1.1, whatever it said of itself.
        let h2 = matches!(fault, Fault::Head2(_) | Fault::TooManyHeaders2);
        x.req.clear();
        x.req.version = if h2 { Version::H2 } else { Version::H11 };
    }
    x.begin(worker, on, peer, Asked { keep_alive: !fault.reply().close, ..Asked::default() });
    match fault.reply().status {
        408 => count(&on.http().stats, fault),
        431 => on.http().stats.inc(Http::DownstreamRqTooLarge),
        _ => on.http().stats.inc(Http::DownstreamCxProtocolError),
    }
    local::fault(worker, x, client, fault, None, None).await
}

/// The path rules of a listener.
pub(crate) fn path_rules(manager: &HttpManager) -> Rules {
    hygiene::path_rules(manager.normalize_path, manager.merge_slashes, manager.escaped_slashes)
}

/// Admits, forwards and relays; a fault on the way becomes a local reply.
#[expect(clippy::too_many_arguments, reason = "everything that is known of a request by now")]
async fn forward_to<C: Client>(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    state: Rc<ClusterState>,
    matched: &Matched<'_>,
    forward: &Forward,
    wishes: &Wishes,
    x: &mut Exchange,
    client: &mut C,
) -> After {
    on.http().stats.inc(Http::RqTotal);
    let cluster = state.now();
    x.cluster = Some(cluster.config.name.clone());
    let revision = cluster.config.revision.clone();
    // The meter counts a request from its arrival to its end, waiting included, as Knative's activator does.
    let metered = revision.as_ref().map(|_| worker.meter(&state));
    x.counts_tries = forward.rare.as_ref().is_some_and(|rare| rare.count_to_client);
    let manager = on.http();
    x.clocks.begin(worker, x.times.start, revision.as_deref(), forward, &manager.manager, wishes);
    let served = tries::until_answered(worker, &state, forward, wishes, x, client).await;
    let after = match served {
        Ok(mut answered) => {
            let after = relay::response(worker, on, matched, x, client, &mut answered).await;
            answered.give_back(worker, x);
            after
        }
        Err(fault) => {
            count(&manager.stats, fault);
            state.stats(&worker.stats).completed(fault.reply().status);
            local::fault(worker, x, client, fault, revision.as_deref(), Some(matched)).await
        }
    };
    drop(metered);
    after
}

/// What a fault of the listener's own clocks counts as.
fn count(stats: &HttpStats, fault: Fault) {
    match fault {
        Fault::HeadersLate => stats.inc(Http::DownstreamRqHeaderTimeout),
        Fault::RequestLate => stats.inc(Http::DownstreamRqTimeout),
        Fault::StreamLate | Fault::StreamLateRequest => stats.inc(Http::DownstreamRqMaxDurationReached),
        _ => {}
    }
}

/// A response head has come; its body is on the leg.
pub(crate) struct Answered {
    tried: attempt::Tried,
    /// The request's body, where it is still being sent.
    upload: upload::Upload,
    state: Rc<ClusterState>,
    /// Holds the endpoint's and the revision's slot until the response is through.
    _place: place::Place,
    /// Counts against the cluster's retries until the response is through.
    _retry: Option<limits::Hold>,
}

impl Answered {
    /// Returns the connection to its pool if it can carry another exchange.
    fn give_back(self, worker: &Worker, x: &mut Exchange) {
        let stats = self.state.stats(&worker.stats);
        stats.completed(x.res.status);
        // The clock was read a moment ago, when the exchange was recorded.
        let now = worker.clock.now().since(x.times.start);
        let took = now.saturating_sub(x.times.sent.unwrap_or_default());
        stats.record(ClusterTime::UpstreamRq, took);
        self.tried.give_back(worker, &self.state);
    }
}

/// Whether this request goes out by HTTP/2.
fn speaks_h2(protocol: Protocol, x: &Exchange) -> bool {
    match protocol {
        // Bytes and nothing else.
        _ if x.ends_connect => false,
        Protocol::Http1 => false,
        Protocol::Http2(_) => true,
        Protocol::Downstream(_) => x.req.version == forebay_http::Version::H2,
    }
}
