//! The request's way to the app until its answer begins: head, body, interim responses, a second try where the first met a dead
//! connection. Knows no response bodies.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_http::h1::{BodyError, Framing, Limits};
use forebay_http::h2::ClientStream;
use forebay_http::{Client, Flow, Up, Version, Wrong};
use forebay_net::Timeout;
use forebay_upstream::{OnShared, Tie};

use super::connect::{Line, line, repeatable};
use super::{Broken, Clocks, Exchange, Fault};
use crate::sidecar::{APP, KEEP, Sidecar, Wire};

/// Go's transport reads heads of 10 MiB; one beyond this is no head of an app's.
const RESPONSE: Limits =
    Limits { head_bytes: 1 << 20, headers: 200, http10: true, keeps_case: false, connect: false };

/// Go's `ExpectContinueTimeout`: an app that does not say whether it wants a body gets it after so long.
const EXPECTS: Duration = Duration::from_secs(1);

/// A response head has come; its body is on the leg.
pub(super) struct Answered {
    pub(super) up: Up,
    /// The connection's bond with its pool, where it is not shared.
    tie: Option<Box<Tie<Wire>>>,
    pub(super) framing: Framing,
    keep_alive: bool,
    /// The request's body, where it is still being sent.
    pub(super) upload: Upload,
    /// The place on a shared connection.
    _stream: Option<OnShared>,
}

impl Answered {
    /// Returns the connection to its pool if it can carry another exchange.
    #[inline]
    pub(super) fn give_back(self, sidecar: &Sidecar) {
        if let (Up::H1(leg), Some(tie)) = (self.up, self.tie)
            && self.keep_alive
            && leg.is_idle()
        {
            sidecar.pools.put(APP, leg, tie, sidecar.clock.now().0, &KEEP);
        }
    }

    /// Bytes of the request's body that went to the app.
    pub(super) fn uploaded(&self) -> u64 {
        self.upload.flow.bytes
    }

    /// Breaks it off.
    pub(super) fn abort(&mut self) {
        if let Up::H2(stream) = &mut self.up {
            stream.reset();
        }
    }

    /// The connection cannot carry another exchange.
    pub(super) fn use_up(&mut self) {
        self.keep_alive = false;
    }
}

/// Sends the request and waits for its answer's head, which is in `x.res` then.
pub(super) async fn until_answered<C: Client>(
    sidecar: &Rc<Sidecar>,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
) -> Result<Answered, Fault> {
    let mut fresh = false;
    loop {
        let line = line(sidecar, x, fresh, clocks, client).await?;
        let reused = matches!(line, Line::H1 { reused: true, .. });
        match attempt(sidecar, line, x, clocks, client).await {
            // A pooled connection may have died unseen; a request that may run twice is sent again on a new one.
            Err(Fault::App(Broken::Eof | Broken::Io { .. })) if reused && repeatable(x) => fresh = true,
            done => return done,
        }
    }
}

async fn attempt<C: Client>(
    sidecar: &Rc<Sidecar>,
    line: Line,
    x: &mut Exchange,
    clocks: &mut Clocks,
    client: &mut C,
) -> Result<Answered, Fault> {
    let (mut up, tie, stream) = start(line, x)?;
    let mut upload = Upload::new(sidecar, x);
    let head = poll_fn(|cx| {
        if upload.poll(cx, client, &mut up).is_err_and(|error| upload.fault(&error)) {
            return Poll::Ready(Err(if upload.broken { Fault::BadBody } else { Fault::Gone }));
        }
        match poll_head(cx, x, client, &mut up, &mut upload, sidecar) {
            // The body is wanted: it goes at once.
            Poll::Ready(Ok(None)) => cx.waker().wake_by_ref(),
            Poll::Ready(Ok(Some(answer))) => return Poll::Ready(Ok(answer)),
            Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            Poll::Pending => {}
        }
        if clocks.poll(cx).is_ready() {
            return Poll::Ready(Err(Fault::Late));
        }
        if client.has_read_all() && client.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Fault::Gone));
        }
        Poll::Pending
    })
    .await;
    match head {
        Ok((framing, keep_alive)) => Ok(Answered { up, tie, framing, keep_alive, upload, _stream: stream }),
        Err(fault) => {
            if let Up::H2(stream) = &mut up {
                stream.reset();
            }
            Err(fault)
        }
    }
}

type Started = (Up, Option<Box<Tie<Wire>>>, Option<OnShared>);

/// Writes the request's head.
fn start(line: Line, x: &Exchange) -> Result<Started, Fault> {
    match line {
        Line::H1 { mut leg, tie, .. } => {
            // That there is no body is said, as by Go's client, of the methods that mostly have one.
            let framing = match x.asked.framing {
                Framing::None if !matches!(x.req.method(), b"POST" | b"PUT" | b"PATCH") => Framing::Unsent,
                said => said,
            };
            leg.start_request(&x.req, framing);
            Ok((Up::H1(leg), Some(tie), None))
        }
        Line::H2(mut send, place) => {
            let stream = ClientStream::open(&mut send, &x.req, x.asked.framing == Framing::None);
            let stream = stream.map_err(|e| Fault::App(Broken::Http2(e)))?;
            Ok((Up::H2(Box::new(stream)), None, Some(place)))
        }
    }
}

/// The request's body on its way.
#[derive(Default)]
pub(super) struct Upload {
    flow: Flow,
    /// The app takes no more of it; its answer is what counts.
    refused: bool,
    /// The client waits to be told that its body is wanted, until then.
    held: Option<Timeout>,
    broken: bool,
}

impl Upload {
    fn new(sidecar: &Sidecar, x: &Exchange) -> Self {
        let held = x.asked.expects_continue.then(|| sidecar.timer.after(EXPECTS));
        Self { held, ..Self::default() }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Moves what can be moved.
    pub(super) fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        up: &mut Up,
    ) -> Result<(), BodyError> {
        if let Some(held) = &mut self.held {
            if held.poll_expired(cx).is_pending() {
                // The head goes without it.
                let _ = forebay_http::Sink::poll_flush(up, cx);
                return Ok(());
            }
            self.held = None;
            let mut interim = forebay_http::Head::default();
            interim.status = 100;
            client.inform(&interim)?;
            let _ = client.poll_flush(cx)?;
        }
        if self.refused || self.flow.is_done() {
            return Ok(());
        }
        match self.flow.poll(cx, client, up) {
            Poll::Ready(Err(Wrong::Source(error))) => Err(error),
            Poll::Ready(Err(Wrong::Sink(_))) => {
                self.refused = true;
                Ok(())
            }
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Notes whose fault it is that the body did not come whole.
    fn fault(&mut self, error: &BodyError) -> bool {
        self.broken = matches!(error, BodyError::Chunk(_) | BodyError::Mismatch);
        true
    }
}

/// The response's head; interim responses are passed on, `None` is to say that the body is wanted now.
fn poll_head<C: Client>(
    cx: &mut Context<'_>,
    x: &mut Exchange,
    client: &mut C,
    up: &mut Up,
    upload: &mut Upload,
    sidecar: &Sidecar,
) -> Poll<Result<Option<(Framing, bool)>, Fault>> {
    loop {
        let answer = match up {
            Up::H1(leg) => match leg.poll_response(cx, &mut x.res, &RESPONSE, x.req.is_head()) {
                Poll::Ready(Ok(meta)) => (meta.framing, meta.keep_alive),
                Poll::Ready(Err(error)) => {
                    let local = leg.io().tcp().local_addr().ok();
                    let broken = Broken::head(error, local, sidecar.config.app, leg.peek());
                    return Poll::Ready(Err(Fault::App(broken)));
                }
                Poll::Pending => return Poll::Pending,
            },
            Up::H2(stream) => {
                if let Poll::Ready(true) = stream.poll_informational(cx, &mut x.res) {
                    inform(x, client)?;
                    continue;
                }
                match stream.poll_response(cx, &mut x.res) {
                    Poll::Ready(Ok(framing)) => (if x.req.is_head() { Framing::None } else { framing }, true),
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(Fault::App(Broken::Http2(e)))),
                    Poll::Pending => return Poll::Pending,
                }
            }
        };
        match x.res.status {
            101 => return Poll::Ready(switched(x).map(|()| Some(answer))),
            100 => {
                let wanted = upload.held.take().is_some();
                inform(x, client)?;
                let _ = client.poll_flush(cx);
                if wanted {
                    return Poll::Ready(Ok(None));
                }
            }
            102..=199 => {
                inform(x, client)?;
                let _ = client.poll_flush(cx);
            }
            _ => return Poll::Ready(Ok(Some(answer))),
        }
    }
}

/// The app may switch to what it was asked for and to nothing else.
fn switched(x: &Exchange) -> Result<(), Fault> {
    let to = x.res.get(b"upgrade").unwrap_or_default();
    if x.asked.upgrade && to.eq_ignore_ascii_case(&x.upgrade) {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let wanted = if x.asked.upgrade { text(&x.upgrade) } else { String::new() };
    Err(Fault::App(Broken::Switched { to: text(to), wanted }))
}

fn inform<C: Client>(x: &mut Exchange, client: &mut C) -> Result<(), Fault> {
    // HTTP/1.0 knows no interim responses.
    if x.req.version != Version::H10 {
        x.res.strip_hop_by_hop();
        client.inform(&x.res).map_err(|_| Fault::Gone)?;
    }
    Ok(())
}
