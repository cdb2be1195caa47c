//! Bodies of the sample app: whole, generated, timed, passed through, checked. Knows no paths.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::sleep;

use super::load::Present;

/// What every answer carries, whatever makes it.
pub(super) type Answer = UnsyncBoxBody<Bytes, hyper::Error>;

pub(super) fn whole(bytes: impl Into<Bytes>) -> Answer {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// `count` pieces, one every `pause`, the first at once. `piece` is told its number, from 1.
pub(super) fn timed<F>(count: u64, pause: Duration, piece: F) -> Answer
where
    F: Fn(u64) -> Bytes + Send + 'static,
{
    let pieces = stream::unfold((1, piece), move |(number, piece)| async move {
        if number > count {
            return None;
        }
        if number > 1 {
            sleep(pause).await;
        }
        let frame = Frame::data(piece(number));
        Some((Ok(frame), (number + 1, piece)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// `length` bytes that count 0, 1 .. 250, 0 ..: a reader can tell a lost or a doubled piece.
pub(super) fn counted(length: u64) -> Answer {
    // A whole number of periods, so that every piece starts like the first.
    let period: Vec<u8> = (0..PIECE).map(|i| (i % PERIOD) as u8).collect();
    let period = Bytes::from(period);
    let pieces = stream::unfold((length, period), |(left, period)| async move {
        if left == 0 {
            return None;
        }
        let size = left.min(PIECE as u64) as usize;
        let frame = Frame::data(period.slice(..size));
        Some((Ok(frame), (left - size as u64, period)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// The sum that `/sink` reports: order matters, how the bytes were cut does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub bytes: u64,
    pub check: u32,
}

impl Sum {
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.check = piece
            .iter()
            .fold(self.check, |check, byte| check.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    }
}

/// A body that counts as a request until its last byte is handed over or its reader gives up.
pub(super) struct Held {
    pub inner: Answer,
    pub present: Option<Present>,
}

impl Body for Held {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        // Before the client can have seen the end: its next request must not find this one still counted.
        if frame.is_none() || self.inner.is_end_stream() {
            self.present = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

const PERIOD: usize = 251;

/// About 32 KiB: two h2 frames of the default size, few enough system calls.
const PIECE: usize = PERIOD * 130;
