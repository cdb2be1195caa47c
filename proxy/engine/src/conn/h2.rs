//! An HTTP/2 connection: streams as tasks of their own, the connection itself polled here. Knows no request's meaning.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use forebay_http::h2::{self as http2, Arrived, Farewell, Reason, ServerStream};
use forebay_net::{Guard, Phase, Stream, Timeout};
use forebay_telemetry::Http;

use super::{LINGER, Leaves, Listening};
use crate::exchange::{Asked, Peer, refuse, run};
use crate::fault::Fault;
use crate::worker::Worker;

type Connection = http2::Connection<Stream>;

/// Streams of one connection that are being served, and what they tell it.
pub(crate) struct Streams {
    open: Cell<usize>,
    /// A response has said that the client is to go.
    leave: Cell<bool>,
    farewell: Farewell,
    /// The connection's own task.
    connection: RefCell<Option<Waker>>,
}

impl Streams {
    /// Makes the connection tell its client to go, before what is sent from now on. Returns whether it is the first to say so.
    pub(crate) fn leave(&self) -> bool {
        let first = !self.leave.replace(true);
        if first {
            self.farewell.say();
            self.wake();
        }
        first
    }

    /// One of them has ended.
    fn end(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        self.wake();
    }

    fn wake(&self) {
        if let Some(connection) = &*self.connection.borrow() {
            connection.wake_by_ref();
        }
    }

    fn listen(&self, cx: &Context<'_>) {
        let mut connection = self.connection.borrow_mut();
        if !connection.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *connection = Some(cx.waker().clone());
        }
    }
}

/// Serves the connection to its end.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    stream: Stream,
    leaves: Leaves,
) {
    let http = on.http();
    http.stats.inc(Http::DownstreamCxHttp2Total);
    http.stats.inc(Http::DownstreamCxHttp2Active);
    let most = http.manager.http2.max_concurrent_streams.min(http2::MAX_STREAMS);
    let head_bytes = u32::try_from(http.limits.head_bytes).unwrap_or(u32::MAX);
    let tunnels = http.manager.http2.allow_connect;
    let connection = http2::accept(stream, &worker.buffers, most, head_bytes, tunnels);
    streams(worker, on, peer, connection, leaves).await;
    http.stats.dec(Http::DownstreamCxHttp2Active);
}

async fn streams(
    worker: &Rc<Worker>,
    on: &Rc<Listening>,
    peer: &Peer,
    mut connection: Connection,
    leaves: Leaves,
) {
    let streams = Rc::new(Streams {
        open: Cell::default(),
        leave: Cell::default(),
        farewell: connection.farewell(),
        connection: RefCell::default(),
    });
    let peer = Rc::new(Peer {
        remote: peer.remote,
        local: peer.local,
        direct: peer.direct,
        secure: peer.secure.clone(),
        text: peer.text.clone(),
        connection: peer.connection,
        streams: Some(streams.clone()),
    });
    let mut life = Life::new(worker, leaves);
    let mut pinger = on.http().manager.http2.keepalive.map(|keepalive| {
        let keepalive = http2::Keepalive { interval: keepalive.interval, timeout: keepalive.timeout };
        http2::Pinger::new(&connection, keepalive)
    });
    loop {
        let next = poll_fn(|cx| {
            streams.listen(cx);
            if life.poll(cx, worker, on, &streams, &mut connection).is_ready() {
                return Poll::Ready(None);
            }
            if let Some(pinger) = &mut pinger
                && pinger.poll(cx).is_ready()
            {
                on.http().stats.inc(Http::Http2KeepaliveTimeout);
                return Poll::Ready(None);
            }
            connection.poll_accept(cx)
        })
        .await;
        match next {
            Some(Ok(arrived)) => {
                on.http().stats.inc(Http::DownstreamRqHttp2Total);
                streams.open.set(streams.open.get() + 1);
                life.takes_another(on, &mut connection);
                let (worker, on, peer, streams) = (worker.clone(), on.clone(), peer.clone(), streams.clone());
                tokio::task::spawn_local(async move {
                    let _ended = Ended(streams);
                    stream(&worker, &on, &peer, arrived).await;
                });
            }
            Some(Err(error)) => {
                if !error.is_io() && error.reason() != Some(Reason::NO_ERROR) {
                    on.http().stats.inc(Http::DownstreamCxProtocolError);
                    tracing::debug!(peer = %peer.remote, %error, "an HTTP/2 connection broke");
                }
                break;
            }
            None => break,
        }
    }
    if connection.has_shut() {
        Box::pin(linger(worker, on, &mut life.guard, &mut connection)).await;
    }
}

/// Lets the client read the last frames: it may have sent some of its own before they came.
async fn linger(worker: &Worker, on: &Listening, guard: &mut Guard, connection: &mut Connection) {
    let mut late = worker.timer.after(on.http().manager.delayed_close_timeout);
    poll_fn(|cx| {
        while let Poll::Ready(phase) = guard.poll_phase(cx) {
            if phase == Phase::Cut {
                return Poll::Ready(());
            }
        }
        if late.poll_expired(cx).is_ready() {
            return Poll::Ready(());
        }
        connection.poll_discard(cx, LINGER)
    })
    .await;
}

/// How long a connection lives when nothing is wrong with it.
struct Life {
    guard: Guard,
    /// Runs while there is no stream; once the client has been told to go, it is short.
    idle: Timeout,
    idles: bool,
    leaves: Leaves,
    /// Until then.
    leave: Timeout,
    told: bool,
    closing: bool,
    served: u32,
}

impl Life {
    fn new(worker: &Worker, leaves: Leaves) -> Self {
        Self {
            guard: worker.drain.guard(),
            idle: worker.timer.never(),
            idles: false,
            leaves,
            leave: leaves.0.map_or_else(|| worker.timer.never(), |at| worker.timer.at(at)),
            told: false,
            closing: false,
            served: 0,
        }
    }

    /// Ready when the connection is to be dropped, whatever is on it.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        on: &Listening,
        streams: &Streams,
        connection: &mut Connection,
    ) -> Poll<()> {
        while let Poll::Ready(phase) = self.guard.poll_phase(cx) {
            if phase == Phase::Cut {
                return Poll::Ready(());
            }
            if on.goes_at_once(worker) {
                self.tell(connection);
            } else if self.leaves.drain(worker, on)
                && let Some(at) = self.leaves.0
            {
                self.leave.reset_at(at);
            }
        }
        if streams.leave.get() {
            self.tell(connection);
        }
        if self.leave.poll_expired(cx).is_ready() {
            self.leave.stop();
            on.http().stats.inc(Leaves::why(worker));
            self.tell(connection);
        }
        self.poll_idle(cx, on, streams, connection)
    }

    /// The clock of a connection without streams.
    fn poll_idle(
        &mut self,
        cx: &mut Context<'_>,
        on: &Listening,
        streams: &Streams,
        connection: &mut Connection,
    ) -> Poll<()> {
        if streams.open.get() > 0 {
            if std::mem::take(&mut self.idles) {
                self.idle.stop();
            }
            return Poll::Pending;
        }
        if !std::mem::replace(&mut self.idles, true) {
            let manager = &on.http().manager;
            let limit = if self.told { manager.drain_timeout } else { manager.idle_timeout };
            if self.told || !limit.is_zero() {
                self.idle.reset(limit);
            }
        }
        while self.idle.poll_expired(cx).is_ready() {
            if self.closing {
                return Poll::Ready(());
            }
            if self.told {
                // It was told, and has had its time to go.
                self.closing = true;
                connection.abrupt_shutdown(Reason::NO_ERROR);
                self.idle.reset(on.http().manager.delayed_close_timeout);
            } else {
                on.http().stats.inc(Http::DownstreamCxIdleTimeout);
                self.tell(connection);
                self.idle.reset(on.http().manager.drain_timeout);
            }
        }
        Poll::Pending
    }

    /// GOAWAY; all streams so far, and those on their way, may end.
    fn tell(&mut self, connection: &mut Connection) {
        if !std::mem::replace(&mut self.told, true) {
            connection.graceful_shutdown();
            // The idle clock is another one from here on.
            self.idles = false;
        }
    }

    /// A stream more, perhaps the last one.
    fn takes_another(&mut self, on: &Listening, connection: &mut Connection) {
        self.served += 1;
        if on.http().manager.max_requests_per_connection == Some(self.served) {
            on.http().stats.inc(Http::DownstreamCxMaxRequestsReached);
            self.tell(connection);
        }
    }
}

struct Ended(Rc<Streams>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn stream(worker: &Rc<Worker>, on: &Rc<Listening>, peer: &Peer, arrived: Arrived) {
    let mut x = worker.lend_exchange();
    let headers = on.http().limits.headers;
    let (mut leg, framing) = ServerStream::open(arrived, headers, &mut x.req);
    match framing {
        Ok(framing) => {
            let expects_continue =
                x.req.get(b"expect").is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
            let asked = Asked { framing, keep_alive: true, expects_continue, upgrade: leg.asks_for_tunnel() };
            run(worker, on, peer, asked, &mut x, &mut leg).await;
        }
        Err(why) => {
            let fault = match why {
                http2::BadRequest::TooManyHeaders => Fault::TooManyHeaders2,
                _ => Fault::Head2("http2.invalid.header.field"),
            };
            refuse(worker, on, peer, fault, &mut x, &mut leg).await;
        }
    }
    worker.give_back_exchange(x);
}
