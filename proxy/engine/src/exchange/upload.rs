//! The request's body on its way up: where it stands, and one that is held in memory so that it can be sent again. Knows no
//! protocol.

use std::task::{Context, Poll};

use forebay_http::h1::BodyError;
use forebay_http::{Flow, Head, Piece, Source};

/// Where the request's body stands.
pub(crate) enum Upload {
    /// Held in the exchange's `body`: it came with the head, and can be sent again.
    Held,
    /// Still coming, or none.
    Live(Flow),
    /// The endpoint takes no more of it; its answer is what counts.
    Refused,
}

impl Upload {
    /// Whether some of a body that cannot be had again has left.
    pub(super) fn is_spent(&self) -> bool {
        matches!(self, Upload::Live(flow) if flow.bytes > 0) || matches!(self, Upload::Refused)
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
