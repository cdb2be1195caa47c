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
    let expects = std::mem::take(&mut x.asked.expects_continue) | std::mem::take(&mut x.forwards_continue);
    if expects && !client.has_read_all() {
        // Nobody else will say it: the body is wanted here, before the endpoint is asked.
        let mut interim = forebay_http::Head::default();
        interim.status = 100;
        client.inform(&interim).map_err(|_| Fault::ClientGone)?;
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
            Piece::Data(n) => {
                x.bytes_in = (x.held.len() + n) as u64;
                n.min(most.saturating_sub(x.held.len()))
            }
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

/// Takes the rest of the body and drops it.
pub(super) async fn discard<C: Client>(
    asking: &Asking<'_>,
    x: &mut Exchange,
    client: &mut C,
) -> Result<(), Fault> {
    let patience = asking.on.http().manager.stream_idle_timeout;
    let mut idle = (!patience.is_zero()).then(|| asking.worker.timer.after(patience));
    poll_fn(|cx| {
        while let Poll::Ready(piece) = client.poll_piece(cx) {
            match piece.map_err(fault)? {
                Piece::End => return Poll::Ready(Ok(())),
                Piece::Data(n) => {
                    client.consume(n);
                    x.bytes_in += n as u64;
                }
            }
            if let Some(idle) = &mut idle {
                idle.reset(patience);
            }
        }
        match &mut idle {
            Some(idle) => idle.poll_expired(cx).map(|()| Err(Fault::RequestLate)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Drops what has come of the body while somebody else was asked: the connection can go on if that was all of it.
pub(super) async fn discard_ready<C: Client>(x: &mut Exchange, client: &mut C) {
    x.bytes_in = x.bytes_in.max(x.held.len() as u64);
    let mut new = 0;
    poll_fn(|cx| {
        while let Poll::Ready(Ok(Piece::Data(n))) = client.poll_piece(cx) {
            client.consume(n);
            new += n as u64;
        }
        Poll::Ready(())
    })
    .await;
    x.bytes_in = x.bytes_in.max(x.held.len() as u64 + new);
}

fn fault(error: BodyError) -> Fault {
    match error {
        BodyError::Chunk(_) | BodyError::Mismatch => Fault::BadBody,
        BodyError::Truncated | BodyError::Io(_) | BodyError::H2(_) => Fault::ClientGone,
    }
}
