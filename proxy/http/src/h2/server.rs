//! The server's side: streams as clients open them, and one of them as a leg. Knows no routing.

use std::io;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Held;
use super::connection::Connection;
use super::error::{By, Error, Reason};
use super::fields::BadRequest;
use super::state::Shared;
use super::streams::Came;
use super::write;
use crate::buf::Pool;
use crate::h1::{BodyError, Framing};
use crate::head::Head;
use crate::leg::{Piece, Sink, Source, WireBytes};

/// A stream that a client has opened and nobody has taken up.
pub struct Arrived(Held);

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// The next stream, or the connection's end. Whoever polls for it polls all that is on the connection.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Arrived, Error>>> {
        match self.poll_work(cx) {
            Poll::Ready(Ok(()) | Err(Error::GoAway(Reason::NO_ERROR, By::User))) => Poll::Ready(None),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Pending => match self.shared().borrow_mut().arrived.pop_front() {
                Some(slot) => Poll::Ready(Some(Ok(Arrived(Held::new(self.shared().clone(), slot))))),
                None => Poll::Pending,
            },
        }
    }

    /// GOAWAY; all streams so far, and those on their way, may end. Then the connection does.
    pub fn graceful_shutdown(&mut self) {
        self.farewell().say();
    }

    /// What says so for it, from wherever it is held.
    pub fn farewell(&self) -> Farewell {
        Farewell(self.shared().clone())
    }

    /// GOAWAY, and the end as soon as that is written.
    pub fn abrupt_shutdown(&mut self, reason: Reason) {
        self.shared().borrow_mut().leave_now(reason);
    }
}

/// Takes a connection over from HTTP/1.1 (RFC 7540 3.2), after the 101: `settings` is what `HTTP2-Settings` said, decoded. The request
/// that asked for it is the first stream, of which nothing more comes. `None` where that said no settings: the connection tells its
/// client so, and ends.
pub fn upgrade<T>(
    io: T,
    pool: &Rc<Pool>,
    max_streams: u32,
    header_bytes: u32,
    settings: &[u8],
) -> (Connection<T>, Option<ServerStream>) {
    let connection = super::accept(io, pool, max_streams, header_bytes, false);
    let mut state = connection.shared().borrow_mut();
    if let Err(reason) = state.obey(settings.as_chunks().0) {
        state.leave_now(reason);
        drop(state);
        return (connection, None);
    }
    state.last_id = 1;
    let mut first = state.new_stream(1);
    first.recv_ended = true;
    let slot = state.streams.insert(first);
    drop(state);
    let mut held = Held::new(connection.shared().clone(), slot);
    held.read_all = true;
    (connection, Some(ServerStream { held, tunnel: false, asks: false }))
}

/// Tells a connection's client to go, before all that is sent from then on.
pub struct Farewell(Shared);

impl Farewell {
    /// GOAWAY; once is enough.
    pub fn say(&self) {
        self.0.borrow_mut().say_goodbye();
    }
}

/// A request stream and the response that will go on it.
pub struct ServerStream {
    held: Held,
    /// Whether the request is a CONNECT that has not been said yes to: what comes is the tunnel's, once there is one.
    tunnel: bool,
    asks: bool,
}

impl ServerStream {
    /// Takes a stream as the connection hands it out; fills `head`. `headers` bounds the number of fields.
    pub fn open(arrived: Arrived, headers: usize, head: &mut Head) -> (Self, Result<Framing, BadRequest>) {
        let mut held = arrived.0;
        let mut state = held.shared.borrow_mut();
        let came = state.streams.get(held.slot).and_then(|stream| stream.head.take());
        let Some((mut came, Came::Request(request))) = came else {
            drop(state);
            return (Self { held, tunnel: false, asks: false }, Err(BadRequest::Path));
        };
        mem::swap(head, &mut came);
        state.pool.give_back_head(came);
        // A body that has ended already is none.
        let ended = state
            .streams
            .get(held.slot)
            .is_some_and(|s| s.recv_ended && s.data.is_empty() && s.trailers.is_none());
        drop(state);
        held.read_all = ended;
        let framing = match request.framing {
            Ok(_) if request.count > headers => Err(BadRequest::TooManyHeaders),
            framing => framing,
        };
        (Self { held, tunnel: request.tunnel, asks: request.tunnel }, framing)
    }

    /// What has passed on the wire.
    pub fn wire(&self) -> WireBytes {
        self.held.wire()
    }

    /// Whether the request is a CONNECT, extended (RFC 8441) or not.
    pub fn asks_for_tunnel(&self) -> bool {
        self.asks
    }

    /// Says yes to a CONNECT, by 200 where HTTP/1.1 says 101; from here on bodies are the tunnel's bytes.
    pub fn open_tunnel(&mut self, head: &Head) -> io::Result<()> {
        self.tunnel = false;
        self.asks = false;
        self.put(head, 200, false)
    }

    /// Begins the response.
    pub fn start_response(&mut self, head: &Head, end: bool) -> io::Result<()> {
        self.held.sent_all = end;
        self.put(head, head.status, end)
    }

    /// Sends an interim response.
    pub fn inform(&mut self, head: &Head) -> io::Result<()> {
        self.put(head, head.status, false)
    }

    fn put(&mut self, head: &Head, status: u16, end: bool) -> io::Result<()> {
        let mut state = self.held.shared.borrow_mut();
        let put = state.put_block(self.held.slot, end, |encoder, out| {
            write::response(head, status, encoder, out);
        });
        put.map_err(io::Error::from)
    }

    /// Whether the request's body has been read to its end.
    pub fn has_read_all(&self) -> bool {
        self.tunnel || self.held.read_all
    }

    /// Ready when the client has reset the stream or its connection is gone.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.held.poll_gone(cx).map(|_| ())
    }

    /// How the stream ended before its time: the reason, and whether it was the client's. `None`: with its connection.
    pub fn ended_by(&mut self) -> Option<(Reason, bool)> {
        match self.held.error()? {
            Error::Reset(reason, by) => Some((reason, by == By::Remote)),
            Error::GoAway(..) | Error::Io(_) => None,
        }
    }

    /// Breaks the stream off.
    pub fn reset(&mut self, reason: Reason) {
        self.held.reset(reason);
    }
}

impl Source for ServerStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        if self.tunnel { Poll::Ready(Ok(Piece::End)) } else { self.held.poll_piece(cx) }
    }

    fn data(&self, n: usize) -> &[u8] {
        self.held.data(n)
    }

    fn consume(&mut self, n: usize) {
        self.held.consume(n);
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.held.trailers()
    }
}

impl Sink for ServerStream {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.held.poll_send(cx, data)
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        self.held.finish(trailers)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes, and it has been woken.
        Poll::Ready(Ok(()))
    }
}
