//! A connection for one try: from the pool, or a new one where the cluster may have one, or the next that comes free. Knows no
//! requests' bytes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use forebay_balance::{Endpoint, Use};
use forebay_http::h1::Leg;
use forebay_http::h2::SendRequest;
use forebay_model::{Cluster as Target, Protocol};
use forebay_net::tls::{Failure, HandshakeError};
use forebay_telemetry::{Cluster, ClusterStats};
use forebay_upstream::{ConnectError, Dial, OnShared, Reuse, Stream, Tie};

use super::Client;
use super::admit::Watch;
use super::called::Called;
use super::limits::{Hold, Priority};
use super::speaks_h2;
use super::state::Exchange;
use super::wire::{Wire, keep, settings};
use crate::config::ClusterState;
use crate::fault::{Cause, Fault};
use crate::worker::Worker;

/// A connection that a request can go out on.
pub(crate) enum Line {
    H1 { leg: Box<Leg>, tie: Box<Tie<Wire>>, reused: bool },
    H2(SendRequest, OnShared),
}

/// What a connection is looked for with.
pub(super) struct Wanted<'t> {
    pub(super) state: &'t Rc<ClusterState>,
    pub(super) cluster: &'t Target,
    pub(super) endpoint: &'t Arc<Endpoint>,
    pub(super) priority: Priority,
}

/// A connection from the pool, or a new one.
#[inline]
pub(super) async fn connection<C: Client>(
    worker: &Rc<Worker>,
    wanted: &Wanted<'_>,
    called: &Called,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Line, Fault> {
    let now = worker.clock.now().0;
    if speaks_h2(wanted.cluster.config.protocol, x) {
        if let Stream::Ready(send, stream) = worker.pools.stream(called.pool, now) {
            return Ok(Line::H2(send, stream));
        }
        // Boxed: opening is rare and its state large.
        return Box::pin(share(worker, wanted, called, x, client)).await;
    }
    let may_repeat = x.is_idempotent() && x.body.is_whole(x.asked.framing);
    let reuse = if may_repeat { Reuse::Replayable } else { Reuse::Careful };
    // A second try never trusts the pool: what it holds may have died with what failed.
    let pooled = if x.attempts > 1 || x.ends_connect {
        None
    } else {
        worker.pools.take(called.pool, reuse, now, false)
    };
    match pooled {
        Some((leg, tie)) => Ok(Line::H1 { leg, tie, reused: true }),
        None => Box::pin(open(worker, wanted, called, reuse, x, client)).await,
    }
}

/// A connection for a request of the proxy's own: nobody's client waits for it and nothing of a request's clocks holds for it.
/// `None`: there is none to be had, which is counted.
pub(crate) async fn own(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    cluster: &Target,
    endpoint: &Arc<Endpoint>,
    called: &Called,
) -> Option<Line> {
    let (stats, config) = (state.stats(&worker.stats), &cluster.config);
    let h2 = matches!(config.protocol, Protocol::Http2(_));
    loop {
        let now = worker.clock.now().0;
        if h2 {
            match worker.pools.stream(called.pool, now) {
                Stream::Ready(send, stream) => return Some(Line::H2(send, stream)),
                Stream::Full(mut send, stream) => {
                    poll_fn(|cx| send.poll_ready(cx)).await.ok()?;
                    return Some(Line::H2(send, stream));
                }
                Stream::Opening if worker.pools.opened(called.pool).await => continue,
                Stream::Opening => return None,
                Stream::None => {}
            }
        // Nobody knows whether such a request may be sent twice, so a pooled connection has to prove itself.
        } else if let Some((leg, tie)) = worker.pools.take(called.pool, Reuse::Careful, now, false) {
            return Some(Line::H1 { leg, tie, reused: true });
        }
        let first = worker.pools.open_now(called.pool) == 0;
        let Some(wire) = Wire::open(worker, state, config, endpoint, Priority::Default, first, h2) else {
            stats.inc(Cluster::UpstreamCxOverflow);
            return None;
        };
        let dial = dial(cluster, endpoint, called);
        let opened = if h2 {
            let (settings, keep) = (settings(config.protocol), keep(config));
            worker.pools.open_shared(called.pool, dial, now, &settings, keep, wire).await
        } else {
            match worker.pools.open(called.pool, dial, now, wire).await {
                Ok((leg, tie)) => return Some(Line::H1 { leg, tie, reused: false }),
                Err(error) => Err(error),
            }
        };
        if let Err(error) = opened {
            tracing::debug!(endpoint = %endpoint.address, %error, "no connection for a request of our own");
            stats.inc(Cluster::UpstreamCxConnectFail);
            return None;
        }
    }
}

/// A new HTTP/1.1 connection, or the next that comes free.
async fn open<C: Client>(
    worker: &Rc<Worker>,
    wanted: &Wanted<'_>,
    called: &Called,
    reuse: Reuse,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Line, Fault> {
    let Wanted { state, cluster, endpoint, priority } = *wanted;
    let (stats, config) = (state.stats(&worker.stats), &cluster.config);
    let _pending = Pending::begin(stats, state, cluster, priority)?;
    let begun = worker.clock.tick();
    let mut overflowed = false;
    let wire = loop {
        let first = worker.pools.open_now(called.pool) == 0;
        if let Some(wire) = Wire::open(worker, state, config, endpoint, priority, first, false) {
            break wire;
        }
        if !std::mem::replace(&mut overflowed, true) {
            stats.inc(Cluster::UpstreamCxOverflow);
        }
        unless_gone(worker, x, client, Box::pin(worker.pools.freed(called.pool))).await?;
        if !x.ends_connect
            && let Some((leg, tie)) = worker.pools.take(called.pool, reuse, worker.clock.now().0, true)
        {
            return Ok(Line::H1 { leg, tie, reused: true });
        }
    };
    let open = Box::pin(worker.pools.open(called.pool, dial(cluster, endpoint, called), begun.0, wire));
    let opened = unless_gone(worker, x, client, open).await?;
    let (leg, tie) = opened.map_err(|e| fault(stats, endpoint, x, &e))?;
    x.times.connect = Some(worker.clock.tick().since(begun));
    Ok(Line::H1 { leg, tie, reused: false })
}

/// A place on a shared connection, which may have to be opened or waited for.
async fn share<C: Client>(
    worker: &Rc<Worker>,
    wanted: &Wanted<'_>,
    called: &Called,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Line, Fault> {
    let Wanted { state, cluster, endpoint, priority } = *wanted;
    let (stats, config) = (state.stats(&worker.stats), &cluster.config);
    let _pending = Pending::begin(stats, state, cluster, priority)?;
    let begun = worker.clock.tick();
    let mut overflowed = false;
    loop {
        match worker.pools.stream(called.pool, worker.clock.now().0) {
            Stream::Ready(send, stream) => {
                x.times.connect = Some(worker.clock.tick().since(begun));
                return Ok(Line::H2(send, stream));
            }
            Stream::Full(mut send, stream) => {
                let ready = Box::pin(poll_fn(|cx| send.poll_ready(cx)));
                let ready = unless_gone(worker, x, client, ready).await?;
                ready.map_err(|e| super::attempt::h2_fault(&e))?;
                return Ok(Line::H2(send, stream));
            }
            Stream::Opening => {
                if !unless_gone(worker, x, client, Box::pin(worker.pools.opened(called.pool))).await? {
                    stats.inc(Cluster::UpstreamRqPendingFailureEject);
                    return Err(Fault::ConnectFailed(Cause::Other));
                }
            }
            Stream::None => {
                let first = worker.pools.open_now(called.pool) == 0;
                let Some(wire) = Wire::open(worker, state, config, endpoint, priority, first, true) else {
                    if !std::mem::replace(&mut overflowed, true) {
                        stats.inc(Cluster::UpstreamCxOverflow);
                    }
                    unless_gone(worker, x, client, Box::pin(worker.pools.freed(called.pool))).await?;
                    continue;
                };
                let (dial, now) = (dial(cluster, endpoint, called), worker.clock.now().0);
                let (settings, keep) = (settings(config.protocol), keep(config));
                let open = worker.pools.open_shared(called.pool, dial, now, &settings, keep, wire);
                let opened = unless_gone(worker, x, client, Box::pin(open)).await?;
                opened.map_err(|e| fault(stats, endpoint, x, &e))?;
            }
        }
    }
}

/// A request that waits for a connection, counted until it has one. A revision's gate has counted it already.
struct Pending {
    state: Rc<ClusterState>,
    _hold: Option<Hold>,
}

impl Pending {
    fn begin(
        stats: &ClusterStats,
        state: &Rc<ClusterState>,
        cluster: &Target,
        priority: Priority,
    ) -> Result<Self, Fault> {
        let hold = match &cluster.config.revision {
            Some(_) => None,
            None => Some(Hold::of(state, Use::Pending, priority, &cluster.config).ok_or_else(|| {
                stats.inc(Cluster::UpstreamRqPendingOverflow);
                Fault::Overflow
            })?),
        };
        stats.inc(Cluster::UpstreamRqPendingTotal);
        stats.inc(Cluster::UpstreamRqPendingActive);
        Ok(Self { state: state.clone(), _hold: hold })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(stats) = self.state.counted() {
            stats.dec(Cluster::UpstreamRqPendingActive);
        }
    }
}

/// Waits for `work`, unless the client goes or a clock runs out first.
async fn unless_gone<C: Client, T>(
    worker: &Worker,
    x: &mut Exchange,
    client: &mut C,
    mut work: Pin<Box<impl Future<Output = T>>>,
) -> Result<T, Fault> {
    let mut watch = Watch::default();
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if let Poll::Ready(fault) = x.clocks.poll(cx) {
            return Poll::Ready(Err(fault));
        }
        watch.poll(cx, worker, client, x.req.version).map(|()| Err(Fault::ClientGone))
    })
    .await
}

fn dial<'t>(cluster: &'t Target, endpoint: &Endpoint, called: &'t Called) -> Dial<'t> {
    let config = &cluster.config;
    Dial {
        address: endpoint.address,
        timeout: config.connect_timeout,
        tls: config.tls.as_deref(),
        asked: called.asked.as_deref(),
    }
}

/// In Envoy's form, with the number and the names that its library has where it does not like a certificate: people search for
/// them. Blanks would end a word of a log line.
fn transport_failure(why: &HandshakeError) -> String {
    let verdict = why.verdict().map(|verdict| {
        format!("268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:{verdict}")
    });
    let said = verdict.unwrap_or_else(|| why.to_string());
    format!("TLS_error:|{said}:TLS_error_end").replace(' ', "_")
}

fn fault(stats: &ClusterStats, endpoint: &Endpoint, x: &mut Exchange, error: &ConnectError) -> Fault {
    stats.inc(Cluster::UpstreamRqPendingFailureEject);
    stats.inc(Cluster::UpstreamCxConnectFail);
    match error {
        ConnectError::Timeout(_) => {
            stats.inc(Cluster::UpstreamCxConnectTimeout);
            Fault::ConnectLate
        }
        ConnectError::Tls(why) => {
            tracing::debug!(endpoint = %endpoint.address, error = %why, "TLS with an endpoint failed");
            let failure = why.failure();
            if failure != Failure::Broken {
                x.transport_failure = transport_failure(why);
            }
            match failure {
                Failure::Broken => return Fault::ConnectFailed(Cause::Other),
                Failure::Protocol | Failure::NoCertificate => stats.inc(Cluster::SslConnectionError),
                Failure::Untrusted => stats.inc(Cluster::SslFailVerifyError),
                Failure::WrongName => stats.inc(Cluster::SslFailVerifySan),
            }
            Fault::UpstreamTls(failure)
        }
        ConnectError::Refused(error) => {
            let cause = Cause::of(error);
            cause.reason().clone_into(&mut x.transport_failure);
            Fault::ConnectFailed(cause)
        }
        ConnectError::Handshake(_) => Fault::ConnectFailed(Cause::Other),
    }
}
