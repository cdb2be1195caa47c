//! The two halves of an HTTP/2 stream as source and sink. Knows no heads but trailers.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};

use super::convert;
use crate::buf::SIZE;
use crate::h1::BodyError;
use crate::head::Head;
use crate::leg::Piece;

/// What a stream receives.
pub(super) struct Incoming {
    stream: Option<RecvStream>,
    piece: Bytes,
    trailers: Option<Box<Head>>,
    /// The stream was reset: why, and whether by the other side.
    ended_by: Option<(Reason, bool)>,
}

impl Incoming {
    pub(super) fn new(stream: RecvStream) -> Self {
        let stream = (!stream.is_end_stream()).then_some(stream);
        Self { stream, piece: Bytes::new(), trailers: None, ended_by: None }
    }

    /// A body that has ended.
    pub(super) fn none() -> Self {
        Self { stream: None, piece: Bytes::new(), trailers: None, ended_by: None }
    }

    pub(super) fn is_done(&self) -> bool {
        self.stream.is_none()
    }

    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        loop {
            if !self.piece.is_empty() {
                return Poll::Ready(Ok(Piece::Data(self.piece.len())));
            }
            let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(Piece::End)) };
            match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) => self.piece = data,
                Some(Err(e)) => {
                    self.note(&e);
                    // A peer that answers early and wants no more of the body says so with NO_ERROR; that is an end for us.
                    return Poll::Ready(Err(e.into()));
                }
                None => {
                    let trailers = match ready!(stream.poll_trailers(cx)) {
                        Ok(trailers) => trailers,
                        Err(e) => {
                            self.note(&e);
                            return Poll::Ready(Err(e.into()));
                        }
                    };
                    self.trailers = trailers.map(|map| Box::new(convert::trailers(&map)));
                    self.stream = None;
                }
            }
        }
    }

    fn note(&mut self, error: &h2::Error) {
        if let Some(reason) = error.reason().filter(|_| error.is_reset()) {
            self.ended_by = Some((reason, error.is_remote()));
        }
    }

    pub(super) fn ended_by(&self) -> Option<(Reason, bool)> {
        self.ended_by
    }

    pub(super) fn data(&self, n: usize) -> &[u8] {
        self.piece.get(..n).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, n: usize) {
        let _ = self.piece.split_to(n.min(self.piece.len()));
        if let Some(stream) = &mut self.stream {
            // Only what has been passed on may come again: this is the back-pressure.
            let _ = stream.flow_control().release_capacity(n);
        }
    }

    pub(super) fn trailers(&mut self) -> Option<&Head> {
        self.trailers.as_deref()
    }
}

/// What a stream sends. `h2` buffers what it is given, so nothing is given beyond the peer's window.
pub(super) struct Outgoing {
    pub(super) stream: Option<SendStream<Bytes>>,
}

impl Outgoing {
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        stream.reserve_capacity(data.len().min(SIZE));
        let room = loop {
            match ready!(stream.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                Some(Ok(room)) => break room,
                Some(Err(e)) => return Poll::Ready(Err(into_io(e))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        };
        let n = room.min(data.len());
        let piece = Bytes::copy_from_slice(data.get(..n).unwrap_or_default());
        stream.send_data(piece, false).map_err(into_io)?;
        Poll::Ready(Ok(n))
    }

    pub(super) fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        match trailers {
            Some(head) => stream.send_trailers(convert::fields(head)).map_err(into_io),
            None => stream.send_data(Bytes::new(), true).map_err(into_io),
        }
    }
}

pub(super) fn into_io(e: h2::Error) -> io::Error {
    if e.is_io() {
        e.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
    } else {
        io::Error::other(e)
    }
}
