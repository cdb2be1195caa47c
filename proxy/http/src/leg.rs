//! What every leg can do, whatever its protocol: give a body piece by piece, take a body piece by piece. Owns the flow of one
//! direction between two legs; knows no heads and no sockets.

use std::io;
use std::task::{Context, Poll, ready};

use crate::h1::{self, BodyError};
use crate::h2;
use crate::head::Head;

/// Bytes of one exchange as they pass on the wire, framing and compression included.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct WireBytes {
    /// Read, all of it.
    pub received: u64,
    /// Written, all of it.
    pub sent: u64,
    /// Read as head.
    pub head_received: u64,
    /// Written as heads, interim ones included.
    pub head_sent: u64,
}

/// What a source has next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// This many bytes, to be had from [`Source::data`].
    Data(usize),
    /// The body ended; trailers, if any, are in [`Source::trailers`].
    End,
}

/// A body being received.
pub trait Source {
    /// The next piece. Asking again without consuming gives the same piece.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>>;
    /// The first `n` bytes of the current piece.
    fn data(&self, n: usize) -> &[u8];
    /// Drops `n` bytes of the current piece.
    fn consume(&mut self, n: usize);
    /// Trailers, once the end was seen.
    fn trailers(&mut self) -> Option<&Head>;
}

/// A body being sent.
pub trait Sink {
    /// Takes some of `data`: at least one byte when ready.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;
    /// Ends the body; [`Sink::poll_flush`] carries it out.
    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()>;
    /// Ready when everything taken has reached the transport.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Which side of a flow failed.
#[derive(Debug)]
pub enum Wrong {
    /// The sender broke off or broke the framing.
    Source(BodyError),
    /// The receiver takes no more.
    Sink(io::Error),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Ending,
    Done,
}

/// One direction of an exchange. Holds no bytes: memory is bounded by the source's buffer, and a sink that does not take them
/// stops the reading.
#[derive(Debug, Default)]
pub struct Flow {
    state: State,
    /// Bytes of body moved so far.
    pub bytes: u64,
}

impl Flow {
    /// Whether the end has been delivered.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Moves what can be moved; ready when the end has reached the sink's transport. Whatever was taken is flushed before
    /// waiting for more, so that a token stream is not held back.
    pub fn poll<S: Source, D: Sink>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut S,
        to: &mut D,
    ) -> Poll<Result<(), Wrong>> {
        loop {
            match self.state {
                State::Open => match from.poll_piece(cx) {
                    Poll::Ready(Ok(Piece::Data(n))) => {
                        let taken = ready!(to.poll_send(cx, from.data(n))).map_err(Wrong::Sink)?;
                        from.consume(taken);
                        self.bytes += taken as u64;
                    }
                    Poll::Ready(Ok(Piece::End)) => {
                        to.finish(from.trailers()).map_err(Wrong::Sink)?;
                        self.state = State::Ending;
                    }
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(Wrong::Source(e))),
                    Poll::Pending => {
                        return match to.poll_flush(cx) {
                            Poll::Ready(Err(e)) => Poll::Ready(Err(Wrong::Sink(e))),
                            _ => Poll::Pending,
                        };
                    }
                },
                State::Ending => {
                    ready!(to.poll_flush(cx)).map_err(Wrong::Sink)?;
                    self.state = State::Done;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// The leg towards an endpoint.
pub enum Up {
    /// An HTTP/1.1 connection, leased whole. Boxed for as long as it lives: its exchanges move it.
    H1(Box<h1::Leg>),
    /// One stream of an HTTP/2 connection.
    H2(Box<h2::ClientStream>),
}

impl Up {
    /// From here on bodies are what comes until either side closes.
    pub fn tunnel(&mut self) {
        // A stream of HTTP/2 is one already, its answer being what it is.
        if let Up::H1(leg) = self {
            leg.tunnel();
        }
    }

    /// What has passed on the wire for this exchange.
    pub fn wire(&self) -> WireBytes {
        match self {
            Up::H1(leg) => leg.wire(),
            Up::H2(stream) => stream.wire(),
        }
    }

    /// Closes our half of a tunnel that has been ended and flushed.
    pub fn shutdown(&mut self) {
        if let Up::H1(leg) = self {
            leg.shutdown();
        }
    }
}

impl Source for Up {
    #[inline]
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        match self {
            Up::H1(leg) => leg.poll_piece(cx),
            Up::H2(stream) => stream.poll_piece(cx),
        }
    }

    #[inline]
    fn data(&self, n: usize) -> &[u8] {
        match self {
            Up::H1(leg) => leg.data(n),
            Up::H2(stream) => stream.data(n),
        }
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        match self {
            Up::H1(leg) => leg.consume(n),
            Up::H2(stream) => stream.consume(n),
        }
    }

    fn trailers(&mut self) -> Option<&Head> {
        match self {
            Up::H1(leg) => leg.trailers(),
            Up::H2(stream) => stream.trailers(),
        }
    }
}

impl Sink for Up {
    #[inline]
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Up::H1(leg) => leg.poll_send(cx, data),
            Up::H2(stream) => stream.poll_send(cx, data),
        }
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        match self {
            Up::H1(leg) => leg.finish(trailers),
            Up::H2(stream) => stream.finish(trailers),
        }
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Up::H1(leg) => leg.poll_flush(cx),
            Up::H2(stream) => stream.poll_flush(cx),
        }
    }
}
