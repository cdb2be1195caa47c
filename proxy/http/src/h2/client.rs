//! One stream on a connection to an endpoint. Knows no pools.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};

use super::body::{Incoming, Outgoing};
use super::convert;
use super::meter::{Meter, Share};
use crate::h1::{BodyError, Framing};
use crate::head::{Head, Scheme};
use crate::leg::{Piece, Sink, Source, WireBytes};

/// A request stream and the response that comes on it.
pub struct ClientStream {
    response: Option<ResponseFuture>,
    incoming: Option<Incoming>,
    outgoing: Outgoing,
    share: Option<Share>,
}

impl ClientStream {
    /// Opens a stream for an upgrade of HTTP/1.1: an extended CONNECT (RFC 8441), which is answered by 200 instead of 101.
    pub fn open_tunnel(
        send: &mut SendRequest<Bytes>,
        head: &Head,
        protocol: &str,
    ) -> Result<Self, h2::Error> {
        let mut request = Self::request(head)?;
        *request.method_mut() = http::Method::CONNECT;
        request.extensions_mut().insert(h2::ext::Protocol::from(protocol));
        Self::send(send, request, false)
    }

    /// Opens a stream for a CONNECT, which has an authority and no path.
    pub fn open_connect(send: &mut SendRequest<Bytes>, head: &Head) -> Result<Self, h2::Error> {
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::CONNECT;
        let uri = http::Uri::builder().authority(head.authority()).build();
        *request.uri_mut() = uri.map_err(|_| h2::Error::from(h2::Reason::PROTOCOL_ERROR))?;
        *request.headers_mut() = convert::fields(head);
        Self::send(send, request, false)
    }

    /// Opens a stream with this request; the handle must be ready.
    pub fn open(send: &mut SendRequest<Bytes>, head: &Head, end: bool) -> Result<Self, h2::Error> {
        Self::send(send, Self::request(head)?, end)
    }

    fn request(head: &Head) -> Result<http::Request<()>, h2::Error> {
        let mut request = http::Request::new(());
        *request.method_mut() = http::Method::from_bytes(head.method()).unwrap_or(http::Method::GET);
        let scheme = match head.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let uri = http::Uri::builder()
            .scheme(scheme)
            .authority(head.authority())
            .path_and_query(head.path())
            .build();
        // Both were parsed before; what the `http` crate still refuses is answered as an upstream protocol error.
        *request.uri_mut() = uri.map_err(|_| h2::Error::from(h2::Reason::PROTOCOL_ERROR))?;
        *request.headers_mut() = convert::fields(head);
        Ok(request)
    }

    fn send(send: &mut SendRequest<Bytes>, request: http::Request<()>, end: bool) -> Result<Self, h2::Error> {
        let (response, stream) = send.send_request(request, end)?;
        Ok(Self {
            share: None,
            response: Some(response),
            incoming: None,
            outgoing: Outgoing { stream: (!end).then_some(stream) },
        })
    }

    /// Counts its bytes from now on, where there is a meter: nothing of it has been written yet.
    #[must_use]
    pub fn metered(mut self, meter: Option<&Rc<Meter>>) -> Self {
        self.share = self.response.as_ref().and_then(|response| Share::new(meter, response.stream_id()));
        self
    }

    /// What has passed on the wire, where it is counted.
    pub fn wire(&self) -> WireBytes {
        self.share.as_ref().map(Share::wire).unwrap_or_default()
    }

    /// An interim response that has come, if any: 1xx except 101.
    pub fn poll_informational(&mut self, cx: &mut Context<'_>, head: &mut Head) -> Poll<bool> {
        let Some(response) = &mut self.response else { return Poll::Ready(false) };
        match response.poll_informational(cx) {
            Poll::Ready(Some(Ok(interim))) => {
                let (parts, ()) = interim.into_parts();
                convert::response(&parts, false, head);
                Poll::Ready(true)
            }
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The response's head, and how its body is framed for HTTP/1.1.
    pub fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut Head,
    ) -> Poll<Result<Framing, h2::Error>> {
        let Some(response) = &mut self.response else {
            return Poll::Ready(Err(h2::Reason::INTERNAL_ERROR.into()));
        };
        let (parts, body) = ready!(Pin::new(response).poll(cx))?.into_parts();
        self.response = None;
        let framing = convert::response(&parts, body.is_end_stream(), head);
        self.incoming = Some(Incoming::new(body));
        Poll::Ready(Ok(framing))
    }

    /// Whether the whole request has been handed over.
    pub fn has_sent_all(&self) -> bool {
        self.outgoing.stream.is_none()
    }

    /// Breaks the stream off.
    pub fn reset(&mut self) {
        if let Some(stream) = &mut self.outgoing.stream {
            stream.send_reset(h2::Reason::CANCEL);
        }
    }
}

impl Source for ClientStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, BodyError>> {
        match &mut self.incoming {
            Some(incoming) => incoming.poll_piece(cx),
            None => Poll::Ready(Ok(Piece::End)),
        }
    }

    fn data(&self, n: usize) -> &[u8] {
        self.incoming.as_ref().map(|i| i.data(n)).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        if let Some(incoming) = &mut self.incoming {
            incoming.consume(n);
        }
    }

    fn trailers(&mut self) -> Option<&Head> {
        self.incoming.as_mut().and_then(Incoming::trailers)
    }
}

impl Sink for ClientStream {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.outgoing.poll_send(cx, data)
    }

    fn finish(&mut self, trailers: Option<&Head>) -> io::Result<()> {
        self.outgoing.finish(trailers)
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
