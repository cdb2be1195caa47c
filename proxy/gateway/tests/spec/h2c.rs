//! HTTP/2 over cleartext, as a client and as an endpoint.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use super::background::Background;

/// A connection with prior knowledge.
pub async fn connect(to: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    send.ready().await.unwrap()
}

pub fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://a{path}")).body(()).unwrap()
}

/// A whole response: status, headers, body, trailers.
pub struct Whole {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

/// Reads a response to its end.
pub async fn whole(response: h2::client::ResponseFuture) -> Result<Whole, h2::Error> {
    let (head, body) = response.await?.into_parts();
    let (body, trailers) = read(body).await?;
    Ok(Whole { status: head.status.as_u16(), headers: head.headers, body, trailers })
}

pub async fn read(mut body: RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        all.extend_from_slice(&piece);
    }
    Ok((all, body.trailers().await?))
}

/// Sends as the window allows.
pub async fn send_all(stream: &mut SendStream<Bytes>, mut data: Bytes) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        stream.send_data(data.split_to(room.min(data.len())), false).unwrap();
    }
}

/// What an endpoint answers: body and trailers.
pub type Answer = (Vec<u8>, Option<HeaderMap>);

/// An endpoint that speaks HTTP/2 and answers each request, body and all, by this function.
pub fn backend(
    runtime: &Background,
    answer: impl Fn(&Request<()>, Vec<u8>, Option<HeaderMap>) -> Answer + Send + Sync + 'static,
) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let answer = answer.clone();
                    tokio::spawn(async move {
                        let (head, body) = request.into_parts();
                        let (body, trailers) = read(body).await.unwrap();
                        let (body, trailers) = answer(&Request::from_parts(head, ()), body, trailers);
                        let mut stream = respond.send_response(Response::new(()), false).unwrap();
                        send_all(&mut stream, body.into()).await;
                        match trailers {
                            Some(trailers) => stream.send_trailers(trailers).unwrap(),
                            None => stream.send_data(Bytes::new(), true).unwrap(),
                        }
                    });
                }
            });
        }
    });
    address
}
