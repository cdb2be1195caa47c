//! A client whose body was read ahead: what was held comes first, then the rest. Knows no filters.

use std::io;
use std::task::{Context, Poll};

use forebay_http::h1::{BodyError, Framing, Gone, Persist};
use forebay_http::{Head, Piece, Sink, Source, Version, WireBytes};

use crate::exchange::{Client, Left};

/// The client behind what was held of its body.
pub(crate) struct Replay<'c, C> {
    client: &'c mut C,
    held: Vec<u8>,
    at: usize,
}

impl<'c, C> Replay<'c, C> {
    pub(crate) fn new(client: &'c mut C, held: Vec<u8>) -> Self {
        Self { client, held, at: 0 }
    }

    fn rest(&self) -> &[u8] {
        self.held.get(self.at..).unwrap_or_default()
    }
}

impl<C: Client> Source for Replay<'_, C> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        match self.rest().len() {
            0 => self.client.poll_piece(cx),
            n => Poll::Ready(Ok(Piece::Data(n))),
        }
    }

    fn data(&self, n: usize) -> &[u8] {
        match self.rest() {
            [] => self.client.data(n),
            rest => rest.get(..n).unwrap_or_default(),
        }
    }

    fn consume(&mut self, n: usize) {
        if self.rest().is_empty() { self.client.consume(n) } else { self.at += n }
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.client.trailers()
    }
}

impl<C: Client> Sink for Replay<'_, C> {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.client.poll_send(cx, data)
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        self.client.finish(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.client.poll_flush(cx)
    }
}

impl<C: Client> Client for Replay<'_, C> {
    fn respond(&mut self, head: &Head, framing: Framing, persist: Persist, to: Version) -> io::Result<()> {
        self.client.respond(head, framing, persist, to)
    }

    fn inform(&mut self, head: &Head) -> io::Result<()> {
        self.client.inform(head)
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Gone> {
        self.client.poll_gone(cx)
    }

    fn is_broken(&self) -> bool {
        self.client.is_broken()
    }

    fn wire(&self) -> WireBytes {
        self.client.wire()
    }

    fn left(&mut self) -> Left {
        self.client.left()
    }

    fn has_read_all(&self) -> bool {
        self.rest().is_empty() && self.client.has_read_all()
    }

    fn buffered(&self) -> usize {
        // Whole only if nothing is to come; more than this the caller does not ask.
        self.rest().len()
    }

    fn abort(&mut self) {
        self.client.abort();
    }

    fn open_tunnel(&mut self, head: &Head) -> io::Result<()> {
        self.client.open_tunnel(head)
    }

    fn shutdown(&mut self) {
        self.client.shutdown();
    }
}
