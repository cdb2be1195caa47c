//! HTTP/2 connections, shared by all streams of a worker: opened one at a time, drained when they are old or used up. Knows no
//! routes.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use forebay_http::h2::{self as http2, SendRequest, Settings};

use crate::connect::{ConnectError, Dial};
use crate::pool::{EndpointId, Pools};
use crate::tie::{Keep, Owner, Shared, Why};

/// HTTP/2 connections one worker opens to one endpoint. Eight times 100 streams is more than one worker can feed.
const PER_ENDPOINT: usize = 8;

/// A connection that streams are opened on. Dropping it lets its streams end; then it closes.
pub(crate) struct Connection {
    send: SendRequest,
    /// Streams at once, by our own settings.
    most: usize,
    used: u32,
    /// Streams that run on it.
    live: Rc<Live>,
    opened: u64,
    keep: Keep,
    /// It closes then, unless it has streams.
    idle_until: u64,
    /// Why it will have closed.
    ending: Rc<Cell<Why>>,
}

impl Connection {
    /// Whether new streams may be opened on it.
    pub(crate) fn stays(&mut self, now: u64) -> bool {
        if self.live.streams.get() > 0 {
            self.idle_until = self.keep.until(now, self.opened).0;
        }
        let (until, why) = self.keep.until(now, self.opened);
        if until <= now {
            self.ending.set(why);
        } else if self.idle_until <= now {
            self.ending.set(Why::Idle);
        }
        until > now && self.idle_until > now
    }
}

/// What the streams of a connection have in common.
struct Live {
    streams: Cell<usize>,
    local: Option<SocketAddr>,
}

/// A stream on a shared connection, counted until dropped.
pub struct OnShared(Rc<Live>);

impl OnShared {
    fn new(live: &Rc<Live>) -> Self {
        live.streams.set(live.streams.get() + 1);
        Self(live.clone())
    }

    /// Our end of the connection.
    pub fn local(&self) -> Option<SocketAddr> {
        self.0.local
    }
}

impl Drop for OnShared {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
    }
}

/// What there is for a stream.
pub enum Stream {
    /// A handle that can open one now.
    Ready(SendRequest, OnShared),
    /// Every connection is full: wait for one of them.
    Full(SendRequest, OnShared),
    /// One is being opened: wait for it, by [`Pools::opened`].
    Opening,
    /// None: [`Pools::open_shared`] opens one.
    None,
}

impl<T: Owner> Pools<T> {
    /// A handle to open a stream with, if there is one.
    pub fn stream(&self, endpoint: EndpointId, now: u64) -> Stream {
        let mut by = self.by.borrow_mut();
        let pool = by.entry(endpoint).or_default();
        let mut full = None;
        let mut at = 0;
        while let Some(connection) = pool.h2.get_mut(at) {
            match connection.send.is_ready() {
                _ if !connection.stays(now) => drop(pool.h2.swap_remove(at)),
                Err(_) => drop(pool.h2.swap_remove(at)),
                Ok(true) if connection.live.streams.get() < connection.most => {
                    let (send, stream) = (connection.send.clone(), OnShared::new(&connection.live));
                    connection.used += 1;
                    connection.idle_until = connection.keep.until(now, connection.opened).0;
                    if connection.keep.requests.is_some_and(|most| connection.used >= most) {
                        connection.ending.set(Why::MaxRequests);
                        drop(pool.h2.swap_remove(at));
                    }
                    return Stream::Ready(send, stream);
                }
                Ok(_) => {
                    full = Some((connection.send.clone(), connection.live.clone()));
                    at += 1;
                }
            }
        }
        match full {
            _ if pool.shared.opening.get() => Stream::Opening,
            Some((send, live)) if pool.h2.len() >= PER_ENDPOINT => Stream::Full(send, OnShared::new(&live)),
            _ => Stream::None,
        }
    }

    /// Returns when the connection that is being opened is there (`true`) or could not be opened.
    pub async fn opened(&self, endpoint: EndpointId) -> bool {
        let shared = self.by.borrow_mut().entry(endpoint).or_default().shared.clone();
        let before = shared.failures.get();
        if shared.opening.get() {
            shared.settled.notified().await;
        }
        shared.failures.get() == before
    }

    /// Opens a connection for its `owner`, to be shared.
    pub async fn open_shared(
        &self,
        endpoint: EndpointId,
        dial: Dial<'_>,
        now: u64,
        settings: &Settings,
        keep: Keep,
        owner: T,
    ) -> Result<(), ConnectError> {
        let mut tie = self.tie(endpoint, now, owner);
        let mut opening = Opening::new(tie.shared.clone());
        let mut local = None;
        let opened = async {
            let io = dial.connect(true).await?;
            let io = tie.owner.opened(io);
            local = io.tcp().local_addr().ok();
            Ok::<_, ConnectError>(http2::connect(io, &self.buffers, settings))
        };
        let (mut send, mut connection) = opened.await.inspect_err(|_| opening.failed = true)?;
        let address = dial.address;
        let ending = Rc::new(Cell::new(Why::Drained));
        let why = ending.clone();
        let mut pinger = settings.keepalive.map(|keepalive| http2::Pinger::new(&connection, keepalive));
        // The connection's own task; it ends with the connection, and the pool finds its handle dead.
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| {
                if let Some(pinger) = &mut pinger
                    && pinger.poll(cx).is_ready()
                {
                    return Poll::Ready(Why::Silent);
                }
                std::pin::Pin::new(&mut connection).poll(cx).map(|ended| match ended {
                    Ok(()) => why.get(),
                    Err(error) => {
                        tracing::debug!(%address, %error, "an HTTP/2 connection to an endpoint ended");
                        Why::Remote
                    }
                })
            })
            .await;
            tie.owner.closes(ended);
        });
        poll_fn(|cx| send.poll_ready(cx)).await.inspect_err(|_| opening.failed = true)?;
        if let Some(pool) = self.by.borrow_mut().get_mut(&endpoint)
            && Rc::ptr_eq(&pool.shared, &opening.shared)
        {
            pool.h2.push(Connection {
                send,
                most: settings.max_concurrent_streams as usize,
                used: 0,
                live: Rc::new(Live { streams: Cell::new(0), local }),
                opened: now,
                keep,
                idle_until: keep.until(now, now).0,
                ending,
            });
        }
        Ok(())
    }
}

/// A connection is being opened, until dropped. An attempt that its client has left has not failed: another one is made.
struct Opening {
    shared: Rc<Shared>,
    failed: bool,
}

impl Opening {
    fn new(shared: Rc<Shared>) -> Self {
        shared.opening.set(true);
        Self { shared, failed: false }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.shared.opening.set(false);
        if self.failed {
            self.shared.failures.set(self.shared.failures.get() + 1);
        }
        self.shared.settled.notify_waiters();
    }
}
