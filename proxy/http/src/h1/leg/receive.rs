//! The receiving side of a leg: heads parsed as they come, a body piece by piece, trailers at its end. Knows no routing.

use std::task::{Context, Poll, ready};

use super::{HeadError, Leg};
use crate::buf::{Buf, SIZE};
use crate::h1::body::{BodyError, Incoming};
use crate::h1::chunk::{BadChunk, Then};
use crate::h1::parse::{self, Limits, Reject, RequestMeta, ResponseMeta};
use crate::head::Head;
use crate::leg::{Piece, Source, WireBytes};

impl Leg {
    /// Reads until `parse` succeeds; `None` is a clean end before the first byte.
    fn poll_head<M>(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        mut parse: impl FnMut(&[u8]) -> Result<Option<(usize, M)>, Reject>,
    ) -> Poll<Result<Option<M>, HeadError>> {
        let mut fresh = self.inbuf.is_some();
        loop {
            if fresh && let Some((n, meta)) = parse(self.peek())? {
                self.drop_bytes(n);
                self.wire.head_received += n as u64;
                return Poll::Ready(Ok(Some(meta)));
            }
            if let Some(buf) = &mut self.inbuf
                && buf.is_full()
                && !buf.grow(limit + SIZE)
            {
                return Poll::Ready(Err(Reject::TooLarge.into()));
            }
            let n = ready!(self.poll_fill(cx))?;
            if n == 0 {
                return Poll::Ready(if self.buffered() == 0 { Ok(None) } else { Err(HeadError::Truncated) });
            }
            // A head can only be complete when a line has ended; a byte-wise sender costs one scan, not one parse, a byte.
            let bytes = self.peek();
            fresh = bytes.get(bytes.len() - n..).is_some_and(|new| memchr::memchr(b'\n', new).is_some())
                || bytes.len() >= limit
                // What does not begin like text never becomes a head.
                || bytes.first().is_some_and(|b| !b.is_ascii_graphic() && !matches!(b, b'\r' | b'\n'));
        }
    }

    /// The next request's head; `None` when the client closed between requests.
    pub fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut Head,
        limits: &Limits,
    ) -> Poll<Result<Option<RequestMeta>, HeadError>> {
        self.wire = WireBytes::default();
        let polled = self.poll_head(cx, limits.head_bytes, |bytes| parse::parse_request(bytes, head, limits));
        if let Poll::Ready(Err(_)) = &polled {
            // Nothing of a refused head is consumed.
            self.wire.received = self.buffered() as u64;
        }
        if let Poll::Ready(Ok(Some(meta))) = &polled {
            self.incoming = meta.framing.into();
            self.trailers = None;
        }
        polled
    }

    /// The next response head, interim ones included.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut Head,
        limits: &Limits,
        to_head: bool,
    ) -> Poll<Result<ResponseMeta, HeadError>> {
        let parse = |bytes: &[u8]| parse::parse_response(bytes, head, limits, to_head);
        match ready!(self.poll_head(cx, limits.head_bytes, parse)) {
            Ok(Some(meta)) => {
                self.incoming = meta.framing.into();
                self.trailers = None;
                Poll::Ready(Ok(meta))
            }
            Ok(None) => Poll::Ready(Err(HeadError::Closed)),
            Err(e) => Poll::Ready(Err(e)),
        }
    }
}

impl Source for Leg {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        loop {
            let have = self.buffered();
            match &mut self.incoming {
                Incoming::Done => return Poll::Ready(Ok(Piece::End)),
                Incoming::Length(left) if have > 0 => {
                    return Poll::Ready(Ok(Piece::Data((*left).min(have as u64) as usize)));
                }
                Incoming::Close if have > 0 => return Poll::Ready(Ok(Piece::Data(have))),
                Incoming::Chunked(chunks) if have > 0 => {
                    let bytes = self.inbuf.as_ref().map(Buf::bytes).unwrap_or_default();
                    let step = chunks.step(bytes)?;
                    let trailers =
                        matches!(step.then, Then::End).then(|| std::mem::take(&mut chunks.trailers));
                    self.drop_bytes(step.skip);
                    match (step.then, trailers) {
                        (Then::Data(n), _) => return Poll::Ready(Ok(Piece::Data(n))),
                        (Then::End, trailers) => {
                            self.incoming = Incoming::Done;
                            self.trailers = parse_trailers(&trailers.unwrap_or_default())?;
                            return Poll::Ready(Ok(Piece::End));
                        }
                        (Then::More, _) => {}
                    }
                }
                _ => {}
            }
            if ready!(self.poll_fill(cx))? == 0 {
                if matches!(self.incoming, Incoming::Close) {
                    self.incoming = Incoming::Done;
                    return Poll::Ready(Ok(Piece::End));
                }
                return Poll::Ready(Err(BodyError::Truncated));
            }
        }
    }

    fn data(&self, n: usize) -> &[u8] {
        self.peek().get(..n).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        match &mut self.incoming {
            Incoming::Length(left) => {
                *left = left.saturating_sub(n as u64);
                if *left == 0 {
                    self.incoming = Incoming::Done;
                }
            }
            Incoming::Chunked(chunks) => chunks.took(n),
            Incoming::Done | Incoming::Close => {}
        }
        self.drop_bytes(n);
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.trailers.as_deref()
    }
}

fn parse_trailers(lines: &[u8]) -> Result<Option<Box<Head>>, BadChunk> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut table = [httparse::EMPTY_HEADER; 32];
    match httparse::parse_headers(lines, &mut table) {
        Ok(httparse::Status::Complete((_, headers))) => {
            let mut head = Box::<Head>::default();
            for h in headers {
                head.push(h.name.to_ascii_lowercase().as_bytes(), h.value);
            }
            Ok(Some(head))
        }
        _ => Err(BadChunk::Trailers),
    }
}
