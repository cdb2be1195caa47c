//! Holding a request's body before the request goes on, as far as a filter has to see it. Knows no filters.

use std::future::poll_fn;
use std::task::Poll;

use forebay_http::Piece;
use forebay_http::h1::{BodyError, Framing};

use super::Asking;
use crate::exchange::{Client, Exchange};
use crate::fault::Fault;

/// How far the body was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// All of it.
    Whole,
    /// There is more than was asked for.
    Part,
}

/// Reads until `x.held` has `most` bytes or the body has ended.
pub(super) async fn hold<C: Client>(
    most: usize,
    asking: &Asking<'_>,
    x: &mut Exchange,
    client: &mut C,
) -> Result<Held, Fault> {
    if matches!(x.asked.framing, Framing::None | Framing::Length(0)) {
        return Ok(Held::Whole);
    }
    if x.asked.expects_continue && !client.has_read_all() {
        let mut interim = forebay_http::Head::default();
        interim.status = 100;
        client.inform(&interim).map_err(|_| Fault::ClientGone)?;
        x.asked.expects_continue = false;
        poll_fn(|cx| client.poll_flush(cx)).await.map_err(|_| Fault::ClientGone)?;
    }
    let patience = asking.on.http().manager.stream_idle_timeout;
    let mut idle = (!patience.is_zero()).then(|| asking.worker.timer.after(patience));
    loop {
        let piece = poll_fn(|cx| {
            if let Poll::Ready(piece) = client.poll_piece(cx) {
                return Poll::Ready(piece.map_err(fault));
            }
            match &mut idle {
                Some(idle) => idle.poll_expired(cx).map(|()| Err(Fault::RequestLate)),
                None => Poll::Pending,
            }
        })
        .await?;
        let n = match piece {
            Piece::End => return Ok(Held::Whole),
            Piece::Data(n) => n.min(most.saturating_sub(x.held.len())),
        };
        if n == 0 {
            return Ok(Held::Part);
        }
        x.held.extend_from_slice(client.data(n));
        client.consume(n);
        if let Some(idle) = &mut idle {
            idle.reset(patience);
        }
    }
}

fn fault(error: BodyError) -> Fault {
    match error {
        BodyError::Chunk(_) | BodyError::Mismatch => Fault::BadBody,
        BodyError::Truncated | BodyError::Io(_) | BodyError::H2(_) => Fault::ClientGone,
    }
}
