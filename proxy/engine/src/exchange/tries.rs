//! From a slot to a response head: pick an endpoint, try it, and try again where that is safe. Owns the retry rules; knows no
//! connections and no response bodies.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_balance::{Endpoint, EndpointLease, Permit, Seat};
use forebay_http::Flow;
use forebay_http::h1::Framing;
use forebay_model::Cluster as Target;
use forebay_telemetry::Cluster;

use super::Answered;
use super::admit::{Watch, admit};
use super::attempt::{Failed, attempt};
use super::client::Client;
use super::state::Exchange;
use super::upload::Upload;
use crate::config::ClusterState;
use crate::fault::{Fault, Retry};
use crate::worker::Worker;

/// Tries of a request to a plain cluster. A revision's request tries until its waiting time is over: its endpoints come and
/// go by design, and the list it is tried on is only milliseconds old.
const TRIES: u32 = 3;

/// Pauses in which a plain cluster's list of retired endpoints may be replaced: some 60 ms in all, for what takes microseconds.
const LOOKS: u32 = 5;

/// First pause between tries; doubles up to the last.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

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
    let mut looks = 0;
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
                // Endpoints that leave are retired a moment before their list is replaced: one that has only those is
                // about to be.
                if !gated {
                    if cluster.endpoints.is_empty() || looks == LOOKS {
                        return Err(Fault::NoEndpoint);
                    }
                    looks += 1;
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
        if let Poll::Ready(fault) = x.clocks.poll(cx) {
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
