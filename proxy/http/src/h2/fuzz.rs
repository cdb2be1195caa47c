//! The body of the `h2` fuzz target: whatever a peer sends, the codec answers without a panic, in frames that are well formed,
//! and holds no more than its windows say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::{self, FrameHead};
use super::{CONNECTION_WINDOW, ClientStream, ServerStream, Settings, accept, connect};
use crate::buf::Pool;
use crate::head::Head;
use crate::leg::{Piece, Sink, Source};

/// A peer that has said all it will, in pieces of so many bytes, and listens.
struct Peer<'d> {
    says: &'d [u8],
    step: usize,
    heard: Vec<u8>,
}

impl AsyncRead for Peer<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (now, rest) = this.says.split_at(this.step.min(this.says.len()).min(buf.remaining()));
        buf.put_slice(now);
        this.says = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().heard.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The first byte says which side the codec is, and how its peer's bytes are cut.
pub fn fuzz(data: &[u8]) {
    let Some((first, says)) = data.split_first() else { return };
    let step = [1, 7, 64, usize::MAX].get(usize::from(first >> 1) % 4).copied().unwrap_or(1);
    if first & 1 == 0 { as_server(says, step) } else { as_client(says, step) }
}

fn as_server(says: &[u8], step: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    let says = [&frame::PREFACE[..], says].concat();
    let mut connection = accept(Peer { says: &says, step, heard: Vec::new() }, &Pool::new(), 10, 4096, true);
    let mut streams = Vec::new();
    // It ends, since what the peer says does.
    while let Poll::Ready(Some(Ok(arrived))) = connection.poll_accept(&mut cx) {
        let mut head = Head::default();
        let (mut stream, framing) = ServerStream::open(arrived, 50, &mut head);
        head.status = if framing.is_ok() { 200 } else { 400 };
        if stream.asks_for_tunnel() {
            let _ = stream.open_tunnel(&head);
        } else {
            let _ = stream.start_response(&head, false);
        }
        streams.push(stream);
        streams.iter_mut().for_each(|stream| echo(&mut cx, stream));
        if streams.len() > 4 {
            streams.remove(0);
        }
    }
    streams.iter_mut().for_each(|stream| echo(&mut cx, stream));
    drop(streams);
    judge(connection.peer(), 0);
}

fn as_client(says: &[u8], step: usize) {
    let mut cx = Context::from_waker(Waker::noop());
    let peer = Peer { says, step, heard: Vec::new() };
    let (mut send, mut connection) = connect(peer, &Pool::new(), &Settings::default());
    let mut request = Head::default();
    request.set_request(b"POST", b"/", b"a");
    let mut streams: Vec<_> =
        (0..3).filter_map(|_| ClientStream::open(&mut send, &request, false).ok()).collect();
    let _ = connection.poll_work(&mut cx);
    for stream in &mut streams {
        let mut head = Head::default();
        while stream.poll_informational(&mut cx, &mut head) == Poll::Ready(true) {}
        if let Poll::Ready(Ok(_)) = stream.poll_response(&mut cx, &mut head) {
            assert!((200..1000).contains(&head.status), "{}", head.status);
        }
        echo(&mut cx, stream);
    }
    drop(streams);
    judge(connection.peer(), frame::PREFACE.len());
}

fn echo<S: Source + Sink>(cx: &mut Context<'_>, stream: &mut S) {
    loop {
        match stream.poll_piece(cx) {
            Poll::Ready(Ok(Piece::Data(n))) => {
                assert!(n <= CONNECTION_WINDOW as usize * 4, "{n} bytes are held");
                let data = stream.data(n).to_vec();
                match stream.poll_send(cx, &data) {
                    Poll::Ready(Ok(taken)) => stream.consume(taken),
                    _ => return,
                }
            }
            Poll::Ready(Ok(Piece::End)) => return drop(stream.finish(None)),
            _ => return,
        }
    }
}

/// All that was written are whole frames of allowed sizes.
fn judge(peer: &Peer<'_>, skip: usize) {
    let mut rest = peer.heard.get(skip..).unwrap_or_default();
    while !rest.is_empty() {
        let head = FrameHead::read(rest);
        let whole = head.map_or(usize::MAX, |head| frame::HEAD + head.length);
        assert!(
            whole <= rest.len() && whole <= frame::HEAD + frame::MAX_PAYLOAD,
            "{head:?} in {} bytes",
            rest.len()
        );
        rest = rest.get(whole..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    /// The body of the fuzz target over its corpus, and over every beginning of each of its files.
    #[test]
    fn the_fuzz_corpus_is_survived() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/h2");
        let mut files = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            for end in 0..=bytes.len() {
                super::fuzz(&bytes[..end]);
            }
            files += 1;
        }
        assert!(files > 30, "{files} files in {corpus}");
    }
}
