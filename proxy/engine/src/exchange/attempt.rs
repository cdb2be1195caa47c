//! One try of a request on one endpoint: lease a connection, write the head, wait for the answer. Owns what a failure is called;
//! whether there is another try is not decided here.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use forebay_balance::{Endpoint, Event};
use forebay_http::Up;
use forebay_http::h1::Framing;
use forebay_http::h2::ClientStream;
use forebay_model::Cluster as Target;
use forebay_telemetry::{Cluster, ClusterStats};
use forebay_upstream::{ConnectError, Reuse};

use super::admit::Watch;
use super::answer::until_head;
use super::client::Client;
use super::speaks_h2;
use super::state::Exchange;
use super::upload::Upload;
use crate::config::ClusterState;
use crate::fault::Fault;
use crate::worker::Worker;

pub(super) struct Failed {
    pub(super) fault: Fault,
    /// Whether it was a pooled connection that failed before the first byte of an answer.
    pub(super) stale: bool,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Failed { fault, stale: false }
    }
}

pub(super) async fn attempt<C: Client>(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    cluster: &Target,
    endpoint: &Endpoint,
    x: &mut Exchange,
    client: &mut C,
    upload: &mut Upload,
) -> Result<(Up, Framing, bool), Failed> {
    let stats = state.stats(&worker.stats);
    x.upstream = Some(endpoint.address);
    stats.inc(Cluster::UpstreamRqTotal);
    stats.inc(Cluster::UpstreamRqActive);
    let (mut up, reused) =
        match lease_connection(worker, stats, cluster, endpoint.id, endpoint.address, x, client).await {
            Ok(leased) => leased,
            Err(fault) => {
                stats.dec(Cluster::UpstreamRqActive);
                if matches!(fault, Fault::ConnectFailed | Fault::ConnectLate) {
                    endpoint.count(Event::ConnectFailed);
                    endpoint.count(Event::Failed);
                }
                return Err(fault.into());
            }
        };
    if !reused {
        endpoint.count(Event::Connected);
    }
    endpoint.count(Event::Sent);
    x.times.sent = Some(worker.clock.now().since(x.times.start));
    match until_head(worker, x, client, &mut up, upload).await {
        Ok((framing, keep_alive)) => {
            endpoint.count(if x.res.status < 500 { Event::Succeeded } else { Event::Failed });
            Ok((up, framing, keep_alive))
        }
        Err(fault) => {
            stats.dec(Cluster::UpstreamRqActive);
            match fault {
                Fault::ClientGone => stats.inc(Cluster::UpstreamRqCancelled),
                Fault::UpstreamReset | Fault::UpstreamRefused => stats.inc(Cluster::UpstreamRqRxReset),
                Fault::UpstreamProtocol => stats.inc(Cluster::UpstreamCxProtocolError),
                Fault::Timeout | Fault::ResponseStartLate => stats.inc(Cluster::UpstreamRqTimeout),
                _ => {}
            }
            endpoint.count(match fault {
                Fault::Timeout | Fault::ResponseStartLate => Event::TimedOut,
                _ => Event::Failed,
            });
            Err(Failed { fault, stale: reused && fault == Fault::UpstreamReset })
        }
    }
}

/// A connection with the request's head written to it, and whether it came from the pool.
async fn lease_connection<C: Client>(
    worker: &Rc<Worker>,
    stats: &ClusterStats,
    cluster: &Target,
    endpoint: u64,
    address: SocketAddr,
    x: &mut Exchange,
    client: &mut C,
) -> Result<(Up, bool), Fault> {
    let patience = cluster.config.connect_timeout;
    if speaks_h2(cluster.config.protocol, x) {
        if x.asked.upgrade {
            return Err(Fault::UpgradeNotAllowed);
        }
        let begun = worker.clock.tick();
        let open = Box::pin(worker.pools.stream(endpoint, address, patience));
        let mut send = unless_gone(worker, x, client, open).await?.map_err(|e| connect_fault(stats, &e))?;
        let took = worker.clock.tick().since(begun);
        if took > 0 {
            x.times.connect = Some(took);
        }
        let end = x.asked.framing == Framing::None;
        let stream = ClientStream::open(&mut send, &x.req, end).map_err(|e| h2_fault(&e))?;
        return Ok((Up::H2(Box::new(stream)), false));
    }
    let may_repeat = x.is_idempotent() && (x.asked.framing == Framing::None || !x.body.is_empty());
    let reuse = if may_repeat { Reuse::Replayable } else { Reuse::Careful };
    // A second try never trusts the pool: what it holds may have died with what failed.
    let pooled = if x.attempts > 1 { None } else { worker.pools.take(endpoint, reuse) };
    let reused = pooled.is_some();
    let mut leg = match pooled {
        Some(leg) => leg,
        None => {
            let begun = worker.clock.tick();
            let open = Box::pin(worker.pools.open(endpoint, address, patience));
            let leg = unless_gone(worker, x, client, open).await?.map_err(|e| connect_fault(stats, &e))?;
            x.times.connect = Some(worker.clock.tick().since(begun));
            stats.inc(Cluster::UpstreamCxTotal);
            stats.inc(Cluster::UpstreamCxHttp1Total);
            leg
        }
    };
    let framing = if x.body.is_empty() { x.asked.framing } else { Framing::Length(x.body.len() as u64) };
    leg.start_request(&x.req, framing);
    Ok((Up::H1(leg), reused))
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

fn connect_fault(stats: &ClusterStats, error: &ConnectError) -> Fault {
    stats.inc(Cluster::UpstreamCxConnectFail);
    match error {
        ConnectError::Timeout(_) => {
            stats.inc(Cluster::UpstreamCxConnectTimeout);
            Fault::ConnectLate
        }
        ConnectError::Refused(_) | ConnectError::Handshake(_) => Fault::ConnectFailed,
    }
}

pub(super) fn h2_fault(error: &h2::Error) -> Fault {
    if error.reason() == Some(h2::Reason::REFUSED_STREAM)
        || (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
    {
        Fault::UpstreamRefused
    } else if error.is_library() && !error.is_io() {
        Fault::UpstreamProtocol
    } else {
        Fault::UpstreamReset
    }
}
