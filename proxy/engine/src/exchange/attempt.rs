//! From a slot to a response head: pick an endpoint, lease a connection, send, wait; and again where that is safe. Owns the
//! retry rules; knows no response bodies.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_balance::{Endpoint, EndpointLease, Permit, Seat};
use forebay_http::h1::{BodyError, Framing, HeadError, Limits};
use forebay_http::h2::ClientStream;
use forebay_http::{Flow, Head, Piece, Source, Up, Wrong};
use forebay_model::Cluster as Target;
use forebay_telemetry::{Cluster, ClusterStats};
use forebay_upstream::{ConnectError, Reuse};

use super::admit::{Watch, admit};
use super::client::Client;
use super::state::Exchange;
use super::{Answered, speaks_h2};
use crate::config::ClusterState;
use crate::fault::{Fault, Retry};
use crate::worker::Worker;

/// Tries of a request to a plain cluster. A revision's request tries until its waiting time is over: its endpoints come and
/// go by design, and the list it is tried on is only milliseconds old.
const TRIES: u32 = 3;

/// First pause between tries; doubles up to the last.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Response heads of endpoints: as large as requests' may be, and then some.
const RESPONSE: Limits = Limits { head_bytes: 128 * 1024, headers: 200, http10: true };

/// Where the request's body stands.
pub(crate) enum Upload {
    /// Held in [`Exchange::body`]: it came with the head, and can be sent again.
    Held,
    /// Still coming, or none.
    Live(Flow),
    /// The endpoint takes no more of it; its answer is what counts.
    Refused,
}

impl Upload {
    /// Whether some of a body that cannot be had again has left.
    fn is_spent(&self) -> bool {
        matches!(self, Upload::Live(flow) if flow.bytes > 0) || matches!(self, Upload::Refused)
    }
}

/// Tries until an endpoint has begun to answer, or nothing more may be tried.
pub(super) async fn until_answered<C: Client>(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Answered, Fault> {
    hold_small_body(x, client);
    if x.asked.upgrade {
        let upgrade = std::mem::take(&mut x.upgrade);
        x.req.push(b"connection", b"upgrade");
        x.req.push(b"upgrade", &upgrade);
        x.upgrade = upgrade;
    }
    let mut avoid = None;
    let mut pause = PAUSE;
    let mut permit = None;
    loop {
        if permit.is_none() {
            permit = admit(worker, state, x, client).await?;
        }
        // Whoever was let in was let in for an endpoint that this worker's mailbox holds already.
        worker.obey();
        let cluster = state.now();
        let gated = cluster.config.revision.is_some();
        let fault = match place(worker, &cluster, avoid, permit.take()) {
            Ok(place) => {
                x.attempts += 1;
                let mut upload = if x.body.is_empty() { Upload::Live(Flow::default()) } else { Upload::Held };
                let endpoint = place.endpoint().id;
                match attempt(worker, state, &cluster, place.endpoint(), x, client, &mut upload).await {
                    Ok((up, framing, keep_alive)) => {
                        let state = state.clone();
                        return Ok(Answered {
                            up,
                            framing,
                            keep_alive,
                            upload,
                            endpoint,
                            state,
                            _place: place,
                        });
                    }
                    Err(Failed { fault, stale }) => {
                        let again = match fault.reply().retry {
                            Retry::Never => false,
                            Retry::Safe => !upload.is_spent(),
                            // Only a connection that was pooled: a fresh one that dies has had its request looked at.
                            Retry::Idempotent => stale && !upload.is_spent() && x.is_idempotent(),
                        };
                        if !again || (!gated && x.attempts >= TRIES) {
                            return Err(fault);
                        }
                        state.stats(&worker.stats).inc(Cluster::UpstreamRqRetry);
                        permit = place.leave();
                        if stale {
                            // The endpoint may be well, only the connection was not: at once, without the pool.
                            continue;
                        }
                        avoid = Some(endpoint);
                        fault
                    }
                }
            }
            Err(kept) => {
                permit = kept;
                avoid = None;
                if !gated {
                    return Err(Fault::NoEndpoint);
                }
                Fault::NoEndpoint
            }
        };
        if gated {
            if Duration::from_micros(x.elapsed(worker)) >= x.clocks.wait {
                return Err(fault);
            }
            // Nobody here to run it: the place goes to the gate, which knows when there is somebody.
            permit = None;
        }
        Box::pin(rest(worker, pause, x, client)).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// An endpoint to run on, with the revision's permit where there is one.
pub(crate) enum Place {
    Seat(Seat),
    Lease(EndpointLease),
}

impl Place {
    fn endpoint(&self) -> &Endpoint {
        match self {
            Place::Seat(seat) => seat.endpoint(),
            Place::Lease(lease) => lease.endpoint(),
        }
    }

    fn leave(self) -> Option<Permit> {
        match self {
            Place::Seat(seat) => seat.leave(),
            Place::Lease(_) => None,
        }
    }
}

fn place(
    worker: &Worker,
    cluster: &Target,
    avoid: Option<u64>,
    permit: Option<Permit>,
) -> Result<Place, Option<Permit>> {
    match permit {
        Some(permit) => cluster.endpoints.seat(&worker.rng, avoid, permit).map(Place::Seat).map_err(Some),
        None => cluster.endpoints.pick(&worker.rng, avoid).map(Place::Lease).ok_or(None),
    }
}

/// Waits a little before the next try, unless the client goes or a clock runs out.
async fn rest<C: Client>(
    worker: &Rc<Worker>,
    pause: Duration,
    x: &mut Exchange,
    client: &mut C,
) -> Result<(), Fault> {
    let mut sleep = pin!(tokio::time::sleep(pause));
    let mut watch = Watch::default();
    poll_fn(|cx| {
        if let Poll::Ready(fault) = x.clocks.poll_before(cx) {
            return Poll::Ready(Err(fault));
        }
        if watch.poll(cx, worker, client, x.req.version).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        sleep.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// Takes a body that is here already out of the client's leg, so that a second try can send it too.
fn hold_small_body<C: Client>(x: &mut Exchange, client: &mut C) {
    if let Framing::Length(n) = x.asked.framing
        && n as usize <= client.buffered()
    {
        x.body.extend_from_slice(client.data(n as usize));
        client.consume(n as usize);
        x.bytes_in = n;
    }
}

struct Failed {
    fault: Fault,
    /// Whether it was a pooled connection that failed before the first byte of an answer.
    stale: bool,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Failed { fault, stale: false }
    }
}

async fn attempt<C: Client>(
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
                return Err(fault.into());
            }
        };
    x.times.sent = Some(worker.clock.now().since(x.times.start));
    match until_head(worker, x, client, &mut up, upload).await {
        Ok((framing, keep_alive)) => Ok((up, framing, keep_alive)),
        Err(fault) => {
            stats.dec(Cluster::UpstreamRqActive);
            match fault {
                Fault::ClientGone => stats.inc(Cluster::UpstreamRqCancelled),
                Fault::UpstreamReset | Fault::UpstreamRefused => stats.inc(Cluster::UpstreamRqRxReset),
                Fault::UpstreamProtocol => stats.inc(Cluster::UpstreamCxProtocolError),
                Fault::Timeout | Fault::ResponseStartLate => stats.inc(Cluster::UpstreamRqTimeout),
                _ => {}
            }
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
    address: std::net::SocketAddr,
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
    mut work: std::pin::Pin<Box<impl Future<Output = T>>>,
) -> Result<T, Fault> {
    let mut watch = Watch::default();
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if let Poll::Ready(fault) = x.clocks.poll_before(cx) {
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

fn h2_fault(error: &h2::Error) -> Fault {
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

/// Sends the body and waits for the response's head, both at once.
async fn until_head<C: Client>(
    worker: &Rc<Worker>,
    x: &mut Exchange,
    client: &mut C,
    up: &mut Up,
    upload: &mut Upload,
) -> Result<(Framing, bool), Fault> {
    if x.asked.expects_continue && !client.has_read_all() {
        // Only now, with a slot and a connection in hand, is the body wanted.
        let mut interim = Head::default();
        interim.status = 100;
        client.inform(&interim).map_err(|_| Fault::ClientGone)?;
        x.asked.expects_continue = false;
        poll_fn(|cx| client.poll_flush(cx)).await.map_err(|_| Fault::ClientGone)?;
    }
    let mut sent = 0;
    let mut held = Flow::default();
    let mut watch = Watch::default();
    poll_fn(|cx| {
        match upload {
            Upload::Held if !held.is_done() => {
                let mut body = HeldBody { data: &x.body, at: &mut sent };
                if let Poll::Ready(Err(_)) = held.poll(cx, &mut body, up) {
                    *upload = Upload::Refused;
                }
            }
            Upload::Live(flow) if !flow.is_done() => {
                let before = flow.bytes;
                match flow.poll(cx, client, up) {
                    Poll::Ready(Ok(())) => {
                        x.times.request_end = Some(worker.clock.now().since(x.times.start))
                    }
                    Poll::Ready(Err(Wrong::Source(e))) => return Poll::Ready(Err(client_body_fault(&e))),
                    Poll::Ready(Err(Wrong::Sink(_))) => *upload = Upload::Refused,
                    Poll::Pending => {}
                }
                if let Upload::Live(flow) = upload
                    && flow.bytes != before
                {
                    x.bytes_in = flow.bytes;
                    x.clocks.moved();
                }
            }
            _ => {}
        }
        match poll_head(cx, x, client, up) {
            Poll::Ready(Ok(answer)) => {
                x.times.first_byte = Some(worker.clock.tick().since(x.times.start));
                return Poll::Ready(Ok(answer));
            }
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            Poll::Pending => {}
        }
        if let Poll::Ready(fault) = x.clocks.poll_before(cx) {
            return Poll::Ready(Err(fault));
        }
        if client.has_read_all() && watch.poll(cx, worker, client, x.req.version).is_ready() {
            return Poll::Ready(Err(Fault::ClientGone));
        }
        Poll::Pending
    })
    .await
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
            Up::H1(leg) => match leg.poll_response(cx, &mut x.res, &RESPONSE, x.req.is_head()) {
                Poll::Ready(Ok(meta)) => (meta.framing, meta.keep_alive),
                Poll::Ready(Err(HeadError::Reject(why))) => {
                    tracing::debug!(%why, cluster = x.cluster.as_deref().unwrap_or(""), "an endpoint's response is not valid HTTP");
                    return Poll::Ready(Err(Fault::UpstreamProtocol));
                }
                Poll::Ready(Err(HeadError::Truncated | HeadError::Io(_))) => {
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
                    Poll::Ready(Ok(framing)) => (if x.req.is_head() { Framing::None } else { framing }, true),
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(h2_fault(&e))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        match x.res.status {
            101 if x.asked.upgrade => return Poll::Ready(Ok(answer)),
            101 => return Poll::Ready(Err(Fault::UpstreamProtocol)),
            100..=199 => forward_interim(x, client)?,
            _ => return Poll::Ready(Ok(answer)),
        }
    }
}

fn forward_interim<C: Client>(x: &mut Exchange, client: &mut C) -> Result<(), Fault> {
    // 100 was ours to say, and HTTP/1.0 knows no interim responses.
    if x.res.status != 100 && x.req.version != forebay_http::Version::H10 {
        x.res.strip_hop_by_hop();
        client.inform(&x.res).map_err(|_| Fault::ClientGone)?;
    }
    Ok(())
}

/// A body in memory as a source.
struct HeldBody<'b> {
    data: &'b [u8],
    at: &'b mut usize,
}

impl Source for HeldBody<'_> {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        let left = self.data.len() - *self.at;
        Poll::Ready(Ok(if left == 0 { Piece::End } else { Piece::Data(left) }))
    }

    fn data(&self, n: usize) -> &[u8] {
        self.data.get(*self.at..*self.at + n).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        *self.at += n;
    }

    fn trailers(&mut self) -> Option<&Head> {
        None
    }
}
