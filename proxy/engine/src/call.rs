//! A request of the proxy's own to a cluster: a whole body out, a whole answer in, within a time. Filters ask authorizers by it.
//! Knows no downstream and no routes; what cannot be had is one of a few faults, and nothing is tried twice.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use forebay_http::h1::{Framing, Limits};
use forebay_http::h2::ClientStream;
use forebay_http::{Flow, Head, Piece, Source, Up};
use forebay_telemetry::Cluster;

use crate::config::ClusterState;
use crate::exchange::{Called, HeldBody, Line, keep, own_connection};
use crate::worker::Worker;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Head>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    NoEndpoint,
    Connect,
    /// The other side broke off, or what it says is no HTTP.
    Broken,
    Late,
    /// Its body is larger than anybody wanted.
    TooLarge,
}

/// Bytes of an answer's body that are taken: a denial's page, not a download.
const MOST: usize = 1 << 20;

/// An answer's head may have as much as an endpoint's.
const RESPONSE: Limits =
    Limits { head_bytes: 128 * 1024, headers: 200, http10: true, keeps_case: false, connect: false };

/// Sends `head` with `body` and takes the answer. `within` zero is no limit. Dropping the future breaks the request off.
pub(crate) async fn call(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    head: &Head,
    body: &[u8],
    within: Duration,
) -> Result<Answer, Failed> {
    let stats = state.stats(&worker.stats);
    stats.inc(Cluster::UpstreamRqTotal);
    stats.inc(Cluster::UpstreamRqActive);
    let _active = Active(|| stats.dec(Cluster::UpstreamRqActive));
    let mut late = (!within.is_zero()).then(|| worker.timer.after(within));
    let mut exchange = Box::pin(exchange(worker, state, head, body));
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = exchange.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        match &mut late {
            Some(late) => late.poll_expired(cx).map(|()| Err(Failed::Late)),
            None => Poll::Pending,
        }
    })
    .await;
    match &answer {
        Ok(answer) => stats.completed(answer.head.status),
        Err(Failed::Late) => {
            stats.inc(Cluster::UpstreamRqTimeout);
            stats.completed(504);
        }
        Err(Failed::Broken | Failed::TooLarge) => {
            stats.inc(Cluster::UpstreamRqRxReset);
            stats.completed(503);
        }
        Err(Failed::NoEndpoint | Failed::Connect) => stats.completed(503),
    }
    answer
}

struct Active<F: FnMut()>(F);

impl<F: FnMut()> Drop for Active<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

async fn exchange(
    worker: &Rc<Worker>,
    state: &Rc<ClusterState>,
    head: &Head,
    body: &[u8],
) -> Result<Answer, Failed> {
    let cluster = state.now();
    let lease = cluster.endpoints.pick(&worker.rng, None).ok_or(Failed::NoEndpoint)?;
    let endpoint = lease.endpoint();
    let called = Called::of(worker, &cluster, endpoint.id, head);
    let line = own_connection(worker, state, &cluster, endpoint, &called).await.ok_or(Failed::Connect)?;
    // Held until the answer is whole: it is the stream's place on its connection.
    let (mut up, mut tie, _stream) = match line {
        Line::H2(mut send, on) => {
            let stream = ClientStream::open(&mut send, head, body.is_empty()).map_err(|_| Failed::Broken)?;
            (Up::H2(Box::new(stream)), None, Some(on))
        }
        Line::H1 { mut leg, tie, .. } => {
            leg.start_request(head, Framing::Length(body.len() as u64));
            (Up::H1(leg), Some(tie), None)
        }
    };
    let (mut flow, mut sent) = (Flow::default(), 0);
    let mut answer = Answer { head: Head::default(), body: Vec::new(), trailers: None };
    let lives = poll_fn(|cx| {
        if !flow.is_done() {
            // Whoever answers without having read all of it has said enough.
            let _ = flow.poll(cx, &mut HeldBody { data: body, at: &mut sent }, &mut up);
        }
        poll_head(cx, &mut up, &mut answer.head, head.is_head())
    })
    .await?;
    poll_fn(|cx| poll_body(cx, &mut up, &mut answer.body)).await?;
    answer.trailers = match up.trailers() {
        Some(trailers) => {
            let mut copy = Head::default();
            trailers.iter().for_each(|(name, value, _)| copy.push(name, value));
            Some(copy)
        }
        None => None,
    };
    if let Up::H1(leg) = up
        && lives
        && flow.is_done()
        && let Some(tie) = tie.take()
    {
        worker.pools.put(called.pool, leg, tie, worker.clock.now().0, &keep(&cluster.config));
    }
    Ok(answer)
}

/// The final head of the answer, and whether the connection lives on.
fn poll_head(
    cx: &mut Context<'_>,
    up: &mut Up,
    head: &mut Head,
    bodiless: bool,
) -> Poll<Result<bool, Failed>> {
    loop {
        let keep = match up {
            Up::H1(leg) => match ready!(leg.poll_response(cx, head, &RESPONSE, bodiless)) {
                Ok(meta) => meta.keep_alive,
                Err(_) => return Poll::Ready(Err(Failed::Broken)),
            },
            Up::H2(stream) => match ready!(stream.poll_response(cx, head)) {
                Ok(_) => true,
                Err(_) => return Poll::Ready(Err(Failed::Broken)),
            },
        };
        match head.status {
            101 => return Poll::Ready(Err(Failed::Broken)),
            100..=199 => {}
            _ => return Poll::Ready(Ok(keep)),
        }
    }
}

fn poll_body(cx: &mut Context<'_>, up: &mut Up, body: &mut Vec<u8>) -> Poll<Result<(), Failed>> {
    loop {
        match ready!(up.poll_piece(cx)) {
            Ok(Piece::Data(n)) if body.len() + n > MOST => return Poll::Ready(Err(Failed::TooLarge)),
            Ok(Piece::Data(n)) => {
                body.extend_from_slice(up.data(n));
                up.consume(n);
            }
            Ok(Piece::End) => return Poll::Ready(Ok(())),
            Err(_) => return Poll::Ready(Err(Failed::Broken)),
        }
    }
}
