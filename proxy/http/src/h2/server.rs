//! One stream of a client's connection. Knows no routing.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};

use super::body::{Incoming, Outgoing, into_io};
use super::convert::{self, BadRequest};
use super::meter::{Meter, Share};
use crate::h1::{BodyError, Framing};
use crate::head::Head;
use crate::leg::{Piece, Sink, Source, WireBytes};

/// A request stream and the response that will go on it.
pub struct ServerStream {
    incoming: Incoming,
    respond: SendResponse<Bytes>,
    outgoing: Outgoing,
    started: bool,
    /// What comes after the head of a CONNECT: the tunnel's bytes, once there is one.
    tunnel: Option<Incoming>,
    share: Option<Share>,
}

impl ServerStream {
    /// Takes a stream as the connection hands it out; fills `head`. `headers` bounds the number of fields.
    pub fn open(
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        headers: usize,
        meter: Option<&Rc<Meter>>,
        head: &mut Head,
    ) -> (Self, Result<Framing, BadRequest>) {
        let (parts, body) = request.into_parts();
        let framing = convert::request(&parts, body.is_end_stream(), headers, head);
        let tunnel = parts.method == http::Method::CONNECT;
        let (incoming, tunnel) = match tunnel {
            true => (Incoming::none(), Some(Incoming::new(body))),
            false => (Incoming::new(body), None),
        };
        let outgoing = Outgoing { stream: None };
        let share = Share::new(meter, respond.stream_id());
        (Self { incoming, respond, outgoing, started: false, tunnel, share }, framing)
    }

    /// What has passed on the wire, where it is counted.
    pub fn wire(&self) -> WireBytes {
        self.share.as_ref().map(Share::wire).unwrap_or_default()
    }

    /// Whether it is.
    pub fn is_metered(&self) -> bool {
        self.share.is_some()
    }

    /// Whether the request is a CONNECT, extended (RFC 8441) or not.
    pub fn asks_for_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Says yes to a CONNECT, by 200 where HTTP/1.1 says 101; from here on bodies are the tunnel's bytes.
    pub fn open_tunnel(&mut self, head: &Head) -> io::Result<()> {
        let mut response = http::Response::new(());
        *response.headers_mut() = convert::fields(head);
        self.started = true;
        self.outgoing.stream = Some(self.respond.send_response(response, false).map_err(into_io)?);
        self.incoming = self.tunnel.take().unwrap_or_else(Incoming::none);
        Ok(())
    }

    /// Begins the response.
    pub fn start_response(&mut self, head: &Head, end: bool) -> io::Result<()> {
        let mut response = http::Response::new(());
        *response.status_mut() =
            http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
        *response.headers_mut() = convert::fields(head);
        self.started = true;
        let stream = self.respond.send_response(response, end).map_err(into_io)?;
        self.outgoing.stream = (!end).then_some(stream);
        Ok(())
    }

    /// Sends an interim response.
    pub fn inform(&mut self, head: &Head) -> io::Result<()> {
        let mut response = http::Response::new(());
        *response.status_mut() =
            http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::CONTINUE);
        *response.headers_mut() = convert::fields(head);
        self.respond.send_informational(response).map_err(into_io)
    }

    /// Whether the request's body has been read to its end.
    pub fn has_read_all(&self) -> bool {
        self.incoming.is_done()
    }

    /// Ready when the client has reset the stream or its connection is gone.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match &mut self.outgoing.stream {
            Some(stream) => stream.poll_reset(cx),
            None if !self.started => self.respond.poll_reset(cx),
            None => return Poll::Pending,
        };
        polled.map(|_| ())
    }

    /// How the stream ended before its time: the reason, and whether it was the client's. `None`: with its connection.
    pub fn ended_by(&mut self) -> Option<(Reason, bool)> {
        if let Some(by) = self.incoming.ended_by() {
            return Some(by);
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let reset = match &mut self.outgoing.stream {
            Some(stream) => stream.poll_reset(&mut cx),
            None if !self.started => self.respond.poll_reset(&mut cx),
            None => return None,
        };
        match reset {
            Poll::Ready(Ok(reason)) => Some((reason, true)),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    /// Breaks the stream off.
    pub fn reset(&mut self, reason: Reason) {
        match &mut self.outgoing.stream {
            Some(stream) => stream.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }
}

impl Source for ServerStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        self.incoming.poll_piece(cx)
    }

    fn data(&self, n: usize) -> &[u8] {
        self.incoming.data(n)
    }

    fn consume(&mut self, n: usize) {
        self.incoming.consume(n);
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.incoming.trailers()
    }
}

impl Sink for ServerStream {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.outgoing.poll_send(cx, data)
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        self.outgoing.finish(trailers)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's own task writes what `h2` holds, and it holds no more than the window.
        Poll::Ready(Ok(()))
    }
}
