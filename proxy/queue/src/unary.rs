//! One exchange of HTTP/2 on a connection of its own: a probe, a call of gRPC with one message each way. Knows not what is asked.

use std::future::poll_fn;
use std::rc::Rc;

use forebay_http::h2::{self as http2, ClientStream, Reason, Settings};
use forebay_http::{Head, Piece, Pool, Sink, Source};
use forebay_net::Stream;

/// Bytes of an answer that are kept; more than any that is waited for here has.
const LONGEST: usize = 64 * 1024;

/// What was said to it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// gRPC's own status and its words, from the trailers, or from the head where an error has nothing else.
    pub(crate) grpc_status: Option<String>,
    pub(crate) grpc_message: Option<String>,
}

/// Asks, and hears the answer to its end; what went wrong, in words.
pub(crate) async fn ask(
    stream: Stream,
    pool: &Rc<Pool>,
    head: &Head,
    body: Option<&[u8]>,
) -> Result<Answer, String> {
    let (send, connection) = http2::connect(stream, pool, &Settings::default());
    let answer = exchange(send, head, body);
    tokio::pin!(answer);
    let ended = tokio::select! {
        biased;
        answer = &mut answer => return answer.map_err(|e| e.to_string()),
        ended = connection => ended,
    };
    // Whoever answers and closes may have done both by the time we looked.
    match (answer.await, ended) {
        (Ok(answer), _) => Ok(answer),
        (Err(_), Err(why)) => Err(why.to_string()),
        (Err(http2::Error::Reset(reason, by)), Ok(())) => Err(http2::Error::Reset(reason, by).to_string()),
        (Err(_), Ok(())) => Err("EOF".to_owned()),
    }
}

async fn exchange(
    mut send: http2::SendRequest,
    head: &Head,
    body: Option<&[u8]>,
) -> Result<Answer, http2::Error> {
    // Whoever was asked may answer before it has heard all, and then its answer is what counts.
    let broken = |_| http2::Error::from(Reason::INTERNAL_ERROR);
    poll_fn(|cx| send.poll_ready(cx)).await?;
    let mut stream = ClientStream::open(&mut send, head, body.is_none())?;
    if let Some(mut rest) = body {
        while !rest.is_empty() {
            let sent = poll_fn(|cx| stream.poll_send(cx, rest)).await;
            rest = rest.get(sent.map_err(broken)?..).unwrap_or_default();
        }
        stream.finish(None).map_err(broken)?;
    }
    let mut response = Head::default();
    poll_fn(|cx| stream.poll_response(cx, &mut response)).await?;
    let mut body = Vec::new();
    while body.len() < LONGEST {
        match poll_fn(|cx| stream.poll_piece(cx)).await {
            Ok(Piece::Data(n)) => {
                body.extend_from_slice(stream.data(n));
                stream.consume(n);
            }
            Ok(Piece::End) => break,
            Err(_) => return Err(Reason::INTERNAL_ERROR.into()),
        }
    }
    let trailers = stream.trailers();
    let said = |name: &[u8]| {
        let value = trailers.as_ref().and_then(|trailers| trailers.get(name)).or_else(|| response.get(name));
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let (grpc_status, grpc_message) = (said(b"grpc-status"), said(b"grpc-message"));
    Ok(Answer { status: response.status, body, grpc_status, grpc_message })
}

/// A message of gRPC after its five bytes: not compressed, length.
pub(crate) fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(5 + bytes.len());
    out.push(0);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    out
}
