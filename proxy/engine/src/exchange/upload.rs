//! The request's body on its way up: what of it is kept in memory so that it can be sent again, and where one try stands with
//! it. Knows no protocol.

use std::task::{Context, Poll};

use forebay_http::h1::{BodyError, Framing};
use forebay_http::{Flow, Head, Piece, Source, Up, Wrong};

use super::Client;

/// A buffer larger than this is not kept for the next exchange.
const SPARE: usize = 64 * 1024;

/// What of a request's body is kept, from its first byte on.
#[derive(Default)]
pub(crate) struct Kept {
    data: Vec<u8>,
    /// Bytes that are kept while they pass; a body that came with its head is kept anyhow.
    limit: usize,
    /// Some of the body has left and was not kept: no other try can send it.
    lost: bool,
    /// Bytes that have come from the client.
    pub(crate) received: u64,
}

impl Kept {
    /// Forgets the last exchange.
    pub(crate) fn clear(&mut self) {
        if self.data.capacity() > SPARE {
            self.data = Vec::new();
        }
        self.data.clear();
        (self.limit, self.lost, self.received) = (0, false, 0);
    }

    /// Takes a body that is here already out of the client's leg, and keeps up to `limit` bytes of one that comes.
    pub(super) fn begin<C: Client>(&mut self, framing: Framing, limit: usize, client: &mut C) {
        self.limit = limit;
        if let Framing::Length(n) = framing
            && n as usize <= client.buffered()
        {
            self.data.extend_from_slice(client.data(n as usize));
            client.consume(n as usize);
            self.received = n;
        }
    }

    /// Bytes held in memory.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether another try could send all that this one has sent.
    pub(super) fn can_repeat(&self) -> bool {
        !self.lost
    }

    /// Nothing more is kept: there will be no other try.
    pub(super) fn enough(&mut self) {
        self.limit = 0;
    }

    /// Whether the whole body is here.
    pub(super) fn is_whole(&self, framing: Framing) -> bool {
        match framing {
            Framing::None | Framing::Unsent => true,
            Framing::Length(n) => self.data.len() as u64 == n,
            Framing::Chunked | Framing::Close => false,
        }
    }
}

/// Where one try stands with the body.
#[derive(Default)]
pub(crate) struct Upload {
    flow: Flow,
    /// Kept bytes that this try has sent.
    at: usize,
    /// The endpoint takes no more of it; its answer is what counts.
    refused: bool,
}

impl Upload {
    /// Moves what can be moved; whether anything did.
    pub(super) fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        kept: &mut Kept,
        client: &mut C,
        up: &mut Up,
    ) -> Result<bool, BodyError> {
        if self.refused || self.flow.is_done() {
            return Ok(false);
        }
        let before = self.flow.bytes;
        let mut body = Replay { kept, at: &mut self.at, client };
        match self.flow.poll(cx, &mut body, up) {
            Poll::Ready(Err(Wrong::Source(error))) => return Err(error),
            Poll::Ready(Err(Wrong::Sink(_))) => self.refused = true,
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        Ok(self.flow.bytes != before)
    }

    /// Whether the end has been delivered.
    pub(super) fn is_done(&self) -> bool {
        self.flow.is_done()
    }
}

/// A body as one source: first what is kept, then what comes.
struct Replay<'x, C> {
    kept: &'x mut Kept,
    at: &'x mut usize,
    client: &'x mut C,
}

impl<C: Client> Source for Replay<'_, C> {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        match self.kept.data.len() - *self.at {
            0 => self.client.poll_piece(cx),
            n => Poll::Ready(Ok(Piece::Data(n))),
        }
    }

    fn data(&self, n: usize) -> &[u8] {
        match self.kept.data.get(*self.at..*self.at + n) {
            Some(kept) if *self.at < self.kept.data.len() => kept,
            _ => self.client.data(n),
        }
    }

    fn consume(&mut self, n: usize) {
        let kept = &mut *self.kept;
        if *self.at < kept.data.len() {
            *self.at += n;
            return;
        }
        kept.received += n as u64;
        if !kept.lost && kept.data.len() + n <= kept.limit {
            kept.data.extend_from_slice(self.client.data(n));
            *self.at += n;
        } else if n > 0 {
            // All that was kept has been sent by this try, and there will be no other.
            kept.lost = true;
            kept.data.clear();
            *self.at = 0;
        }
        self.client.consume(n);
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.client.trailers()
    }
}

/// A body in memory as a source.
pub(crate) struct HeldBody<'b> {
    pub(crate) data: &'b [u8],
    pub(crate) at: &'b mut usize,
}

impl Source for HeldBody<'_> {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        let left = self.data.len() - *self.at;
        Poll::Ready(Ok(if left == 0 { Piece::End } else { Piece::Data(left) }))
    }

    fn data(&self, n: usize) -> &[u8] {
        self.data.get(*self.at..*self.at + n).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        *self.at += n;
    }

    fn trailers(&mut self) -> Option<&Head> {
        None
    }
}
