//! A server and a client on the codec, over a pipe in memory, with time limits.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use forebay_http::h1::{BodyError, Framing};
use forebay_http::h2::{self, Arrived, Error, ServerStream};
use forebay_http::{Client as _, Head, Piece, Pool, Sink, Source};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;

/// What the server announces in these tests.
pub const MOST_STREAMS: u32 = 100;
pub const HEAD_BYTES: u32 = 16 * 1024;

/// Runs a test, bounded in time, where tasks need not be `Send`.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = tokio::task::LocalSet::new();
    set.block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test came to an end");
    });
}

/// What a server has seen.
#[derive(Default)]
pub struct Seen {
    /// Streams that were taken up, and how those ended that did before their time.
    pub taken: usize,
    pub gone: Vec<String>,
    /// Bytes of bodies read.
    pub read: usize,
}

/// Serves one connection until it ends.
pub fn server(io: DuplexStream) -> (Rc<RefCell<Seen>>, oneshot::Receiver<Result<(), Error>>) {
    let seen = Rc::new(RefCell::new(Seen::default()));
    let (told, ended) = oneshot::channel();
    let of = seen.clone();
    tokio::task::spawn_local(async move {
        let pool = Pool::new();
        let mut connection = h2::accept(io, &pool, MOST_STREAMS, HEAD_BYTES, true);
        let how = loop {
            match poll_fn(|cx| connection.poll_accept(cx)).await {
                Some(Ok(arrived)) => {
                    of.borrow_mut().taken += 1;
                    let (of, head) = (of.clone(), Head::default());
                    tokio::task::spawn_local(serve(arrived, head, of));
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        let _ = told.send(how);
    });
    (seen, ended)
}

async fn serve(arrived: Arrived, mut head: Head, seen: Rc<RefCell<Seen>>) {
    let (mut stream, framing) = ServerStream::open(arrived, 100, &mut head);
    if framing.is_err() {
        let mut response = Head::default();
        response.status = 400;
        return drop(stream.start_response(&response, true));
    }
    let path = String::from_utf8(head.path().to_vec()).unwrap();
    let result = match path.as_str() {
        "/echo" => echo(&mut stream, &seen).await,
        "/hold" => {
            poll_fn(|cx| stream.poll_gone(cx)).await;
            Err(BodyError::Truncated)
        }
        "/early" => respond(&mut stream, b"no").await,
        path => {
            let size = path.trim_start_matches('/').parse().unwrap_or_default();
            respond(&mut stream, &vec![b'x'; size]).await
        }
    };
    if result.is_err() {
        let left = format!("{:?}", stream.left());
        seen.borrow_mut().gone.push(left);
    }
}

async fn respond(stream: &mut ServerStream, body: &[u8]) -> Result<(), BodyError> {
    let mut response = Head::default();
    response.status = 200;
    response.push(b"content-type", b"text/plain");
    stream.start_response(&response, false)?;
    send(stream, body).await?;
    Ok(stream.finish(None)?)
}

/// Sends all of it.
pub async fn send(to: &mut impl Sink, mut data: &[u8]) -> std::io::Result<()> {
    while !data.is_empty() {
        let n = poll_fn(|cx| to.poll_send(cx, data)).await?;
        data = &data[n..];
    }
    Ok(())
}

async fn echo(stream: &mut ServerStream, seen: &RefCell<Seen>) -> Result<(), BodyError> {
    let mut response = Head::default();
    response.status = 200;
    stream.start_response(&response, false)?;
    while let Piece::Data(n) = poll_fn(|cx| stream.poll_piece(cx)).await? {
        let data = stream.data(n).to_vec();
        send(stream, &data).await?;
        stream.consume(n);
        seen.borrow_mut().read += n;
    }
    let mut trailers = Head::default();
    if let Some(sent) = stream.trailers() {
        sent.iter().for_each(|(name, value, _)| trailers.push(name, value));
    }
    Ok(stream.finish(Some(&trailers))?)
}

/// A whole answer as our client reads it.
#[derive(Debug, Default)]
pub struct Whole {
    pub head: Head,
    pub framing: Framing,
    pub interim: Vec<u16>,
    pub body: Vec<u8>,
    pub trailer: Option<String>,
}

/// A request to `path` of our client's, with this body and this trailer, read to its end.
pub async fn ask(
    send_request: &mut h2::SendRequest,
    request: &Head,
    body: &[u8],
    trailer: Option<&str>,
) -> Result<Whole, BodyError> {
    poll_fn(|cx| send_request.poll_ready(cx)).await?;
    let end = body.is_empty() && trailer.is_none();
    let mut stream = h2::ClientStream::open(send_request, request, end)?;
    let (mut at, mut whole) = (0, Whole::default());
    let mut trailers = Head::default();
    if let Some(trailer) = trailer {
        trailers.push(b"x-trailer", trailer.as_bytes());
    }
    let mut ended = end;
    // Both directions at once, as everybody has to who is echoed to.
    let mut answered = false;
    poll_fn(|cx| {
        loop {
            while at < body.len() {
                match stream.poll_send(cx, &body[at..]) {
                    Poll::Ready(Ok(n)) => at += n,
                    Poll::Ready(Err(_)) => (at, ended) = (body.len(), true),
                    Poll::Pending => break,
                }
            }
            if at == body.len() && !std::mem::replace(&mut ended, true) {
                stream.finish(trailer.is_some().then_some(&trailers))?;
            }
            if !answered {
                let mut interim = Head::default();
                if let Poll::Ready(true) = stream.poll_informational(cx, &mut interim) {
                    whole.interim.push(interim.status);
                    continue;
                }
                match stream.poll_response(cx, &mut whole.head) {
                    Poll::Ready(framing) => whole.framing = framing?,
                    Poll::Pending => return Poll::Pending,
                }
                answered = true;
            }
            match stream.poll_piece(cx) {
                Poll::Ready(Ok(Piece::Data(n))) => {
                    whole.body.extend_from_slice(stream.data(n));
                    stream.consume(n);
                }
                Poll::Ready(Ok(Piece::End)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await?;
    whole.trailer = stream
        .trailers()
        .and_then(|head| head.get(b"x-trailer").map(|v| String::from_utf8(v.to_vec()).unwrap()));
    Ok(whole)
}

/// A request's head.
pub fn request(method: &str, path: &str) -> Head {
    let mut head = Head::default();
    head.set_request(method.as_bytes(), path.as_bytes(), b"a.example.com");
    head
}
