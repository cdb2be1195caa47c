//! A connection to the app: from the pool, or a new one, dialled as the reference dials (`vendor/knative.dev/pkg/network/transports.go`):
//! short patience first, then more; who refuses is believed at once. Knows no requests' bytes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_base::rng::Rng;
use forebay_http::h1::Leg;
use forebay_http::h2::{SendRequest, Settings};
use forebay_http::{Client, Version};
use forebay_upstream::{ConnectError, Dial, OnShared, Reuse, Stream, Tie};

use super::{Broken, Clocks, Exchange, Fault};
use crate::sidecar::{APP, KEEP, Sidecar, Wire};

/// A connection that a request can go out on.
pub(super) enum Line {
    H1 { leg: Box<Leg>, tie: Box<Tie<Wire>>, reused: bool },
    H2(SendRequest, OnShared),
}

/// How long the app may take to accept, first.
const FIRST: Duration = Duration::from_millis(50);
/// By how much each try has more patience, and by how much at random.
const FACTOR: f64 = 1.4;
const JITTER: f64 = 0.1;
/// Tries in all.
const STEPS: u32 = 16;
/// Between tries, and as much again at random.
const PAUSE: Duration = Duration::from_millis(30);

/// A connection of the version that the client speaks. `fresh`: the pool is not to be trusted.
#[inline]
pub(super) async fn line<C: Client>(
    sidecar: &Rc<Sidecar>,
    x: &Exchange,
    fresh: bool,
    clocks: &mut Clocks,
    client: &mut C,
) -> Result<Line, Fault> {
    let now = sidecar.clock.now().0;
    if x.req.version == Version::H2 {
        if !fresh && let Stream::Ready(send, stream) = sidecar.pools.stream(APP, now) {
            return Ok(Line::H2(send, stream));
        }
        return unless_over(clocks, client, Box::pin(share(sidecar))).await?;
    }
    let reuse = if repeatable(x) { Reuse::Replayable } else { Reuse::Careful };
    let pooled = if fresh { None } else { sidecar.pools.take(APP, reuse, now, false) };
    match pooled {
        Some((leg, tie)) => Ok(Line::H1 { leg, tie, reused: true }),
        None => unless_over(clocks, client, Box::pin(open(sidecar))).await?,
    }
}

/// Whether a request may be sent again on another connection if this one dies before it answers: Go's `isReplayable`.
pub(super) fn repeatable(x: &Exchange) -> bool {
    x.asked.framing == forebay_http::h1::Framing::None
        && !x.asked.upgrade
        && (matches!(x.req.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
            || x.req.get(b"idempotency-key").is_some()
            || x.req.get(b"x-idempotency-key").is_some())
}

/// Tries again with more patience while nothing at all is said.
struct Patience {
    left: u32,
    next: Duration,
    rng: Rng,
    began: std::time::Instant,
}

impl Patience {
    fn new() -> Self {
        Self { left: STEPS, next: FIRST, rng: Rng::from_entropy(), began: std::time::Instant::now() }
    }

    fn share(&self, of: Duration, most: f64) -> Duration {
        of.mul_f64(most * f64::from(self.rng.below(1000)) / 1000.0)
    }

    /// What the error comes to; `Ok` is to dial again, after a pause.
    async fn after(&mut self, error: ConnectError, sidecar: &Sidecar) -> Result<(), Fault> {
        let app = sidecar.config.app;
        match error {
            ConnectError::Timeout(_) if self.left > 1 => {
                self.left -= 1;
                self.next = self.next.mul_f64(FACTOR) + self.share(self.next, JITTER);
                tokio::time::sleep(PAUSE + self.share(PAUSE, 1.0)).await;
                Ok(())
            }
            ConnectError::Timeout(_) => Err(Fault::App(Broken::DialLate { app, took: self.began.elapsed() })),
            ConnectError::Refused(why) => Err(Fault::App(Broken::Dial { app, why })),
            ConnectError::Handshake(error) => Err(Fault::App(Broken::Http2(error))),
            ConnectError::Tls(error) => {
                Err(Fault::App(Broken::Dial { app, why: std::io::Error::other(error.to_string()) }))
            }
        }
    }
}

async fn open(sidecar: &Rc<Sidecar>) -> Result<Line, Fault> {
    let mut patience = Patience::new();
    loop {
        let dial = Dial { address: sidecar.config.app, timeout: patience.next, tls: None, asked: None };
        match sidecar.pools.open(APP, dial, sidecar.clock.now().0, Wire).await {
            Ok((leg, tie)) => {
                // A port among the kernel's ephemeral ones can connect to itself while nobody listens on it.
                let tcp = leg.io().tcp();
                if tcp.local_addr().is_ok_and(|local| local == sidecar.config.app) {
                    let refused = std::io::ErrorKind::ConnectionRefused.into();
                    patience.after(ConnectError::Refused(refused), sidecar).await?;
                    continue;
                }
                return Ok(Line::H1 { leg, tie, reused: false });
            }
            Err(error) => patience.after(error, sidecar).await?,
        }
    }
}

/// A place on a shared connection, which may have to be opened or waited for.
async fn share(sidecar: &Rc<Sidecar>) -> Result<Line, Fault> {
    let mut patience = Patience::new();
    loop {
        match sidecar.pools.stream(APP, sidecar.clock.now().0) {
            Stream::Ready(send, stream) => return Ok(Line::H2(send, stream)),
            Stream::Full(mut send, stream) => {
                let ready = poll_fn(|cx| send.poll_ready(cx)).await;
                ready.map_err(|e| Fault::App(Broken::Http2(e)))?;
                return Ok(Line::H2(send, stream));
            }
            Stream::Opening => drop(sidecar.pools.opened(APP).await),
            Stream::None => {
                let dial =
                    Dial { address: sidecar.config.app, timeout: patience.next, tls: None, asked: None };
                let now = sidecar.clock.now().0;
                let settings = Settings::default();
                let opened = sidecar.pools.open_shared(APP, dial, now, &settings, KEEP, Wire).await;
                if let Err(error) = opened {
                    patience.after(error, sidecar).await?;
                }
            }
        }
    }
}

/// Waits for `work`, unless the client goes or a clock runs out first.
async fn unless_over<C: Client, T>(
    clocks: &mut Clocks,
    client: &mut C,
    mut work: Pin<Box<impl Future<Output = T>>>,
) -> Result<T, Fault> {
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        if clocks.poll(cx).is_ready() {
            return Poll::Ready(Err(Fault::Late));
        }
        client.poll_gone(cx).map(|_| Err(Fault::Gone))
    })
    .await
}
