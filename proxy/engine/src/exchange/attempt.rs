//! One try of a request on one endpoint: lease a connection, write the head, wait for the answer. Owns what a failure is called;
//! whether there is another try is not decided here.

use std::rc::Rc;

use forebay_balance::{Event, Use};
use forebay_http::Up;
use forebay_http::h1::Framing;
use forebay_http::h2::{By, ClientStream, Error, Reason};
use forebay_model::{Cluster as Target, HeaderCase};
use forebay_telemetry::{Cluster, ClusterStats};
use forebay_upstream::{OnShared, Tie};

use super::Client;
use super::answer::until_head;
use super::called::Called;
use super::connection::{Line, Wanted, connection};
use super::limits::{Hold, Priority};
use super::state::Exchange;
use super::upload::Upload;
use super::wire::{Wire, keep};
use super::{speaks_h2, websocket};
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

/// A try that was answered: the leg with its body, and what was said of it.
pub(super) struct Tried {
    pub(super) up: Up,
    /// The pool that its connection belongs to.
    pool: u64,
    /// The connection's bond with its pool, where it is not shared.
    pub(super) tie: Option<Box<Tie<Wire>>>,
    pub(super) framing: Framing,
    /// Whether the endpoint lets the connection live on.
    pub(super) keep_alive: bool,
    /// The place on a shared connection.
    _stream: Option<OnShared>,
    _active: Active,
}

impl Tried {
    /// Returns the connection to its pool if it can carry another exchange.
    pub(super) fn give_back(self, worker: &Worker, state: &ClusterState) {
        let pool = self.pool;
        if let (Up::H1(leg), Some(tie)) = (self.up, self.tie)
            && self.keep_alive
            && leg.is_idle()
        {
            let keep = keep(&state.now().config);
            worker.pools.put(pool, leg, tie, worker.clock.now().0, &keep);
        }
    }

    /// The answer is not wanted: only a connection that has nothing more to say of it can be used again.
    pub(super) fn give_up(mut self, worker: &Worker, state: &ClusterState) {
        if let Up::H2(stream) = &mut self.up {
            stream.reset();
        }
        self.give_back(worker, state);
    }
}

/// A request on its way, counted until it is over, however it ends.
struct Active {
    state: Rc<ClusterState>,
    /// The circuit breaker's count; a revision's requests are counted by its gate.
    _hold: Option<Hold>,
}

impl Active {
    fn begin(
        stats: &ClusterStats,
        state: &Rc<ClusterState>,
        cluster: &Target,
        priority: Priority,
    ) -> Result<Self, Fault> {
        let hold = match &cluster.config.revision {
            Some(_) => None,
            None => Some(Hold::of(state, Use::Requests, priority, &cluster.config).ok_or_else(|| {
                stats.inc(Cluster::UpstreamRqActiveOverflow);
                Fault::Overflow
            })?),
        };
        stats.inc(Cluster::UpstreamRqTotal);
        stats.inc(Cluster::UpstreamRqActive);
        Ok(Self { state: state.clone(), _hold: hold })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(stats) = self.state.counted() {
            stats.dec(Cluster::UpstreamRqActive);
        }
    }
}

/// One try of what is `wanted`.
pub(super) async fn attempt<C: Client>(
    worker: &Rc<Worker>,
    wanted: &Wanted<'_>,
    x: &mut Exchange,
    client: &mut C,
    upload: &mut Upload,
) -> Result<Tried, Failed> {
    let Wanted { state, cluster, endpoint, priority } = *wanted;
    let stats = state.stats(&worker.stats);
    x.upstream = Some(endpoint.address);
    x.upstream_name.clone_from(&endpoint.hostname);
    x.upstream_local = None;
    x.transport_failure.clear();
    if x.asked.upgrade && !speaks_h2(cluster.config.protocol, x) {
        websocket::ask(x, &worker.rng);
    }
    let called = Called::of(worker, cluster, endpoint.id, &x.req);
    let pool = called.pool;
    let line = match connection(worker, wanted, &called, x, client).await {
        Ok(line) => line,
        Err(fault) => {
            if fault == Fault::Overflow {
                // It has not been on its way to anybody.
                x.upstream = None;
            }
            if matches!(fault, Fault::ConnectFailed(_) | Fault::ConnectLate) {
                endpoint.count(Event::ConnectFailed);
                endpoint.count(Event::Failed);
            }
            return Err(fault.into());
        }
    };
    let active = Active::begin(stats, state, cluster, priority)?;
    x.keeps_case = cluster.config.header_case == HeaderCase::AsWritten;
    let proper = cluster.config.header_case == HeaderCase::Proper;
    let Started { mut up, mut tie, stream, reused } = start(line, x, proper)?;
    x.upstream_local = match (&tie, &stream) {
        (Some(tie), _) => tie.owner.local,
        (None, stream) => stream.as_ref().and_then(OnShared::local),
    };
    endpoint.count(Event::Sent);
    x.times.sent = Some(worker.clock.now().since(x.times.start));
    x.clocks.try_began(worker, cluster.config.max_stream_duration);
    if x.ends_connect {
        // The endpoint is asked nothing: that it is there is the answer.
        x.res.clear();
        x.res.status = 200;
        x.times.first_byte = x.times.sent;
        endpoint.count(Event::Succeeded);
        let framing = Framing::None;
        return Ok(Tried { up, pool, tie, framing, keep_alive: false, _stream: stream, _active: active });
    }
    match until_head(worker, x, client, &mut up, upload).await {
        Ok((framing, keep_alive)) => {
            endpoint.count(if x.res.status < 500 { Event::Succeeded } else { Event::Failed });
            Ok(Tried { up, pool, tie, framing, keep_alive, _stream: stream, _active: active })
        }
        Err(fault) => {
            x.upstream_wire = up.wire();
            count(stats, fault);
            if let Some(tie) = &mut tie {
                tie.owner.broke(fault == Fault::UpstreamReset);
            }
            endpoint.count(match fault {
                Fault::Timeout | Fault::ResponseStartLate => Event::TimedOut,
                _ => Event::Failed,
            });
            Err(Failed { fault, stale: reused && fault == Fault::UpstreamReset })
        }
    }
}

/// What a failed try counts as.
fn count(stats: &ClusterStats, fault: Fault) {
    match fault {
        Fault::ClientGone => stats.inc(Cluster::UpstreamRqCancelled),
        Fault::UpstreamReset | Fault::UpstreamRefused | Fault::UpstreamRemoteReset => {
            stats.inc(Cluster::UpstreamRqRxReset);
        }
        Fault::UpstreamProtocol => stats.inc(Cluster::UpstreamCxProtocolError),
        Fault::Timeout | Fault::ResponseStartLate => stats.inc(Cluster::UpstreamRqTimeout),
        Fault::TryLate => stats.inc(Cluster::UpstreamRqPerTryTimeout),
        Fault::TryIdle => stats.inc(Cluster::UpstreamRqPerTryIdleTimeout),
        Fault::UpstreamStreamLate | Fault::UpstreamStreamLateRequest => {
            stats.inc(Cluster::UpstreamRqMaxDurationReached);
        }
        _ => {}
    }
    if !matches!(fault, Fault::UpstreamReset | Fault::UpstreamRefused | Fault::UpstreamRemoteReset) {
        stats.inc(Cluster::UpstreamRqTxReset);
    }
}

/// A connection with the request's head on it.
struct Started {
    up: Up,
    tie: Option<Box<Tie<Wire>>>,
    stream: Option<OnShared>,
    /// It came from the pool.
    reused: bool,
}

/// Writes the request's head.
fn start(line: Line, x: &Exchange, proper: bool) -> Result<Started, Fault> {
    match line {
        Line::H1 { mut leg, tie, reused } => {
            if x.ends_connect {
                leg.tunnel();
            } else {
                leg.write_proper_case(proper);
                leg.start_request(&x.req, x.asked.framing);
            }
            Ok(Started { up: Up::H1(leg), tie: Some(tie), stream: None, reused })
        }
        Line::H2(mut send, place) => {
            let stream = if x.req.is_connect() {
                ClientStream::open_connect(&mut send, &x.req)
            } else if x.asked.upgrade {
                let protocol = std::str::from_utf8(&x.upgrade).map_err(|_| Fault::UpgradeNotAllowed)?;
                ClientStream::open_tunnel(&mut send, &x.req, protocol)
            } else {
                ClientStream::open(&mut send, &x.req, x.asked.framing == Framing::None)
            };
            let stream = stream.map_err(|e| h2_fault(&e))?;
            let up = Up::H2(Box::new(stream));
            Ok(Started { up, tie: None, stream: Some(place), reused: false })
        }
    }
}

pub(super) fn h2_fault(error: &Error) -> Fault {
    match error {
        Error::Reset(Reason::REFUSED_STREAM, _)
        | Error::GoAway(Reason::REFUSED_STREAM | Reason::NO_ERROR, _) => Fault::UpstreamRefused,
        Error::Reset(_, By::Library) | Error::GoAway(_, By::Library) => Fault::UpstreamProtocol,
        Error::Reset(_, By::Remote) => Fault::UpstreamRemoteReset,
        Error::Reset(..) | Error::GoAway(..) | Error::Io(_) => Fault::UpstreamReset,
    }
}
