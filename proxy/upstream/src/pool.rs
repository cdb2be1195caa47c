//! Idle connections by endpoint. Knows no retry rules: it says what a connection is good for, the caller decides.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use forebay_http::h1::Leg;
use forebay_http::{Pool as Buffers, h2 as http2};
use h2::client::SendRequest;
use hashbrown::HashMap;

use crate::connect::{ConnectError, connect};

/// Names an endpoint for the life of the process; an address that leaves and comes back gets a new one.
pub type EndpointId = u64;

/// How sure a reused connection has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// The request can be sent again if the connection turns out dead.
    Replayable,
    /// It cannot: ask the kernel before trusting the connection.
    Careful,
}

/// Idle connections kept for one endpoint by one worker; more are closed on return.
const IDLE_PER_ENDPOINT: usize = 1024;

/// HTTP/2 connections one worker opens to one endpoint. Eight times 100 streams is more than one worker can feed.
const H2_PER_ENDPOINT: usize = 8;

#[derive(Default)]
struct PerEndpoint {
    /// With the moment each came back, in the worker's microseconds.
    idle: Vec<(Leg, u64)>,
    h2: Vec<SendRequest<Bytes>>,
}

/// All pools of a worker.
pub struct Pools {
    by: RefCell<HashMap<EndpointId, PerEndpoint, foldhash::fast::FixedState>>,
    buffers: Rc<Buffers>,
}

impl Pools {
    /// Empty pools whose legs use these buffers.
    pub fn new(buffers: Rc<Buffers>) -> Self {
        Self { by: RefCell::default(), buffers }
    }

    /// An idle HTTP/1.1 connection that is still good, if there is one. Dead ones met on the way are closed.
    pub fn take(&self, endpoint: EndpointId, reuse: Reuse) -> Option<Leg> {
        let mut by = self.by.borrow_mut();
        let pool = by.get_mut(&endpoint)?;
        while let Some((mut leg, _)) = pool.idle.pop() {
            let good = match reuse {
                Reuse::Replayable => leg.is_quiet(),
                Reuse::Careful => leg.is_quiet_now(),
            };
            if good {
                return Some(leg);
            }
        }
        None
    }

    /// Opens an HTTP/1.1 connection.
    pub async fn open(
        &self,
        endpoint: EndpointId,
        address: SocketAddr,
        timeout: Duration,
    ) -> Result<Leg, ConnectError> {
        self.by.borrow_mut().entry(endpoint).or_default();
        let io = connect(address, timeout).await?;
        Ok(Leg::new(io, self.buffers.clone(), None))
    }

    /// Takes a connection back after a complete exchange; `now` in microseconds. One whose endpoint has been forgotten meanwhile is closed.
    pub fn put(&self, endpoint: EndpointId, leg: Leg, now: u64) {
        if let Some(pool) = self.by.borrow_mut().get_mut(&endpoint)
            && leg.is_idle()
            && pool.idle.len() < IDLE_PER_ENDPOINT
        {
            pool.idle.push((leg, now));
        }
    }

    /// A handle that can open a stream now, on a live HTTP/2 connection or on a new one.
    pub async fn stream(
        &self,
        endpoint: EndpointId,
        address: SocketAddr,
        timeout: Duration,
    ) -> Result<SendRequest<Bytes>, ConnectError> {
        let ready = |send: &mut SendRequest<Bytes>| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            send.poll_ready(&mut cx)
        };
        let mut full = None;
        {
            let mut by = self.by.borrow_mut();
            let pool = by.entry(endpoint).or_default();
            let mut at = 0;
            while let Some(send) = pool.h2.get_mut(at) {
                let mut send = send.clone();
                match ready(&mut send) {
                    std::task::Poll::Ready(Ok(())) => return Ok(send),
                    std::task::Poll::Ready(Err(_)) => drop(pool.h2.swap_remove(at)),
                    std::task::Poll::Pending => {
                        full = Some(send);
                        at += 1;
                    }
                }
            }
            if pool.h2.len() < H2_PER_ENDPOINT {
                full = None;
            }
        }
        if let Some(mut send) = full {
            // Every connection has all the streams its peer allows: wait for one of them to end.
            poll_fn(|cx| send.poll_ready(cx)).await?;
            return Ok(send);
        }
        let io = connect(address, timeout).await?;
        let (mut send, connection) = http2::connect(io).await?;
        // The connection's own task; it ends with the connection, and the pool finds its handle dead.
        tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "an HTTP/2 connection to an endpoint ended");
            }
        });
        poll_fn(|cx| send.poll_ready(cx)).await?;
        if let Some(pool) = self.by.borrow_mut().get_mut(&endpoint) {
            pool.h2.push(send.clone());
        }
        Ok(send)
    }

    /// Closes what is idle for an endpoint that left; leases out there are closed when they come back.
    pub fn forget(&self, endpoint: EndpointId) {
        self.by.borrow_mut().remove(&endpoint);
    }

    /// Closes connections that have been idle for longer than `limit`, or that their peer has closed.
    pub fn sweep(&self, now: u64, limit: Duration) {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.by.borrow_mut().values_mut().for_each(|pool| {
            pool.idle.retain_mut(|(leg, since)| now.saturating_sub(*since) < limit && leg.is_quiet());
        });
    }

    /// Idle HTTP/1.1 connections held now.
    pub fn idle(&self) -> usize {
        self.by.borrow().values().map(|p| p.idle.len()).sum()
    }
}
