//! From a slot to a response head: pick an endpoint, try it, and try again where that is safe or the route asks for it. Owns the
//! order of tries; knows no connections and no response bodies.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_balance::Use;
use forebay_http::Known;
use forebay_model::Cluster as Target;
use forebay_route::{Forward, HostRewrite};
use forebay_telemetry::Cluster;

use super::Client;
use super::admit::{Watch, admit};
use super::again::{Again, Verdict};
use super::attempt::{Failed, attempt};
use super::connection::Wanted;
use super::limits::{Hold, Priority};
use super::place::place;
use super::state::Exchange;
use super::upload::Upload;
use super::wishes::Wishes;
use super::{Answered, hygiene};
use crate::config::ClusterState;
use crate::fault::{Fault, Retry};
use crate::worker::Worker;

/// Tries of a request to a plain cluster whose route says nothing of tries. A revision's request tries until its waiting time
/// is over: its endpoints come and go by design, and the list it is tried on is only milliseconds old.
const TRIES: u32 = 3;

/// Pauses in which a plain cluster's list of retired endpoints may be replaced: some 60 ms in all, for what takes microseconds.
const LOOKS: u32 = 5;

/// First pause between tries; doubles up to the last.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What is known after some tries.
struct Course {
    /// Chosen only when nothing else can be.
    avoid: Option<u64>,
    /// Endpoints that the request has been on, where the policy minds.
    been: Vec<u64>,
    pause: Duration,
    looks: u32,
}

/// Tries until an endpoint has begun to answer, or nothing more may be tried.
pub(super) async fn until_answered<C: Client>(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    forward: &Forward,
    wishes: &Wishes,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Answered, Fault> {
    let mut again = Again::of(x, forward);
    x.body.begin(x.asked.framing, again.as_ref().map_or(0, |again| again.buffer), client);
    x.bytes_in = x.body.received;
    if x.body.is_whole(x.asked.framing) {
        x.clocks.request_came(worker);
    }
    if x.asked.upgrade && !x.req.is_connect() {
        x.req.push(b"connection", &x.said.0);
        x.req.push(b"upgrade", &x.said.1);
    }
    let mut course = Course { avoid: None, been: Vec::new(), pause: PAUSE, looks: 0 };
    let mut permit = None;
    loop {
        if permit.is_none() {
            permit = admit(worker, state, x, client).await?;
        }
        // Whoever was let in was let in for an endpoint that this worker's mailbox holds already.
        worker.obey();
        let cluster = state.now();
        let gated = cluster.config.revision.is_some();
        let draws = again.as_ref().map_or(0, Again::host_draws);
        let fault = match place(worker, state, &cluster, course.avoid, &course.been, draws, permit.take()) {
            Ok(place) => {
                x.attempts += 1;
                tell(worker, forward, wishes, x);
                if forward.host_rewrite() == Some(&HostRewrite::Endpoint) {
                    let tells = x.open.as_ref().is_some_and(|(_, on)| on.http().manager.envoy_headers);
                    hygiene::call_by_name(&mut x.req, place.endpoint().hostname.as_deref(), forward, tells);
                }
                let mut upload = Upload::default();
                let endpoint = place.endpoint().id;
                let stats = state.stats(&worker.stats);
                let priority = priority(forward);
                let wanted = Wanted { state, cluster: &cluster, endpoint: place.endpoint(), priority };
                let slot = || Hold::of(state, Use::Retries, priority, &cluster.config);
                let then = match attempt(worker, &wanted, x, client, &mut upload).await {
                    Ok(tried) => {
                        let verdict = match &mut again {
                            Some(again) => again.after_answer(worker, stats, x, slot),
                            None => Verdict::Final(None),
                        };
                        let pause = match verdict {
                            Verdict::Another(pause) => pause,
                            Verdict::Final(flag) => {
                                flag.into_iter().for_each(|flag| x.flags.set(flag));
                                x.body.enough();
                                let held = again.and_then(|again| again.slot);
                                return Ok(Answered {
                                    tried,
                                    upload,
                                    state: state.clone(),
                                    _place: place,
                                    _retry: held,
                                });
                            }
                        };
                        x.clocks.try_ended();
                        tried.give_up(worker, state);
                        Then::After { pause, failed: false }
                    }
                    Err(failed) => {
                        x.clocks.try_ended();
                        after_failure(worker, state, &cluster, &mut again, x, failed, slot)?
                    }
                };
                if draws > 0 {
                    course.been.push(endpoint);
                }
                permit = place.leave();
                match then {
                    Then::AtOnce => continue,
                    Then::After { pause, failed } => {
                        course.avoid = failed.then_some(endpoint);
                        Box::pin(rest(worker, pause, x, client)).await?;
                        continue;
                    }
                    Then::Ours(fault) => {
                        course.avoid = Some(endpoint);
                        fault
                    }
                }
            }
            Err(kept) => {
                permit = kept;
                course.avoid = None;
                // Endpoints that leave are retired a moment before their list is replaced: one that has only those is
                // about to be.
                if !gated {
                    if cluster.endpoints.is_empty() || course.looks == LOOKS {
                        state.stats(&worker.stats).inc(Cluster::UpstreamCxNoneHealthy);
                        // By Envoy's count it was tried.
                        x.attempts = x.attempts.max(1);
                        return Err(Fault::NoEndpoint);
                    }
                    course.looks += 1;
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
        let pause = course.pause;
        course.pause = (pause * 2).min(LONGEST_PAUSE);
        Box::pin(rest(worker, pause, x, client)).await?;
    }
}

/// Whether a route's requests count against the limits of high priority.
pub(super) fn priority(forward: &Forward) -> Priority {
    match &forward.rare {
        Some(rare) if rare.high_priority => Priority::High,
        _ => Priority::Default,
    }
}

/// What follows a try that did not end the request.
enum Then {
    /// Another, at once and on any endpoint: only the connection was bad.
    AtOnce,
    /// Another by the route's policy, after this pause; elsewhere if the endpoint failed.
    After { pause: Duration, failed: bool },
    /// Another by our own rules, elsewhere and after our own pause; the fault, if there is no time for it.
    Ours(Fault),
}

/// Another try, or the fault.
fn after_failure(
    worker: &Worker,
    state: &Rc<ClusterState>,
    cluster: &Target,
    again: &mut Option<Again>,
    x: &mut Exchange,
    failed: Failed,
    slot: impl FnOnce() -> Option<Hold>,
) -> Result<Then, Fault> {
    let Failed { fault, stale } = failed;
    let stats = state.stats(&worker.stats);
    let gated = cluster.config.revision.is_some();
    let can_repeat = x.body.can_repeat();
    if stale && can_repeat && x.is_idempotent() {
        // A connection that was pooled and had died: no try of this request has begun.
        stats.inc(Cluster::UpstreamRqRetry);
        return Ok(Then::AtOnce);
    }
    if let Some(again) = again {
        match again.after_fault(worker, stats, x, fault, slot) {
            Verdict::Another(pause) => return Ok(Then::After { pause, failed: true }),
            Verdict::Final(flag) if !gated || flag.is_some() => {
                flag.into_iter().for_each(|flag| x.flags.set(flag));
                return Err(fault);
            }
            Verdict::Final(_) => {}
        }
    }
    // Whoever refused has processed nothing, so the request may go elsewhere; where there is nowhere else, it would be refused
    // again. A stream that was refused for the connection's sake gets another connection.
    let elsewhere = gated || cluster.endpoints.list().len() > 1 || fault == Fault::UpstreamRefused;
    let safe = fault.reply().retry == Retry::Safe && can_repeat && elsewhere;
    if !safe || (!gated && x.attempts >= TRIES) {
        return Err(fault);
    }
    stats.inc(Cluster::UpstreamRqRetry);
    Ok(Then::Ours(fault))
}

/// Tells the endpoint which try this is and how long it may take, where the route does.
fn tell(worker: &Worker, forward: &Forward, wishes: &Wishes, x: &mut Exchange) {
    wishes.tell(&mut x.req, x.clocks.left(worker).filter(|_| x.attempts > 1));
    if forward.rare.as_ref().is_some_and(|rare| rare.count_to_upstream) {
        let mut digits = itoa::Buffer::new();
        x.req.set_known(Known::EnvoyAttemptCount, digits.format(x.attempts).as_bytes());
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
