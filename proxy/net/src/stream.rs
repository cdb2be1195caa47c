//! A connection's bytes: plain, plain behind bytes that were read ahead, or through TLS. Knows no protocol above.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::TlsStream;

/// A connection. The plain one costs one branch over the bare socket; the others are boxed, so that it stays as small.
pub enum Stream {
    /// The socket itself.
    Plain(TcpStream),
    /// The socket, after what was read of it before anybody knew what it would be.
    Ahead(Box<Ahead>),
    /// TLS, either side, handshake done.
    Tls(Box<TlsStream>),
    /// Any of them, and somebody counts what passes.
    Metered(Box<Metered>),
}

/// Counts the bytes of connections as whoever reads and writes them sees them: within TLS, not around it.
pub trait Meter {
    /// So many were read.
    fn received(&self, bytes: usize);
    /// So many were written.
    fn sent(&self, bytes: usize);
}

/// A connection whose bytes are counted.
pub struct Metered {
    io: Stream,
    meter: Rc<dyn Meter>,
}

impl Metered {
    fn wrote(&self, wrote: io::Result<usize>) -> Poll<io::Result<usize>> {
        if let Ok(bytes) = wrote {
            self.meter.sent(bytes);
        }
        Poll::Ready(wrote)
    }
}

/// A socket and bytes that come before those it still has.
pub struct Ahead {
    io: TcpStream,
    bytes: Vec<u8>,
    at: usize,
    /// How many of the rest a peek has shown: the next one waits for more.
    shown: usize,
}

impl Stream {
    /// A plain connection of which `bytes` have been read already.
    pub fn after(io: TcpStream, bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            Stream::Plain(io)
        } else {
            Stream::Ahead(Box::new(Ahead { io, bytes, at: 0, shown: 0 }))
        }
    }

    /// The same, with its bytes counted from here on.
    pub fn metered(self, meter: Rc<dyn Meter>) -> Self {
        Stream::Metered(Box::new(Metered { io: self, meter }))
    }

    /// The socket below, to ask for addresses and options.
    #[inline]
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(io) => io,
            Stream::Ahead(ahead) => &ahead.io,
            Stream::Tls(tls) => tls.tcp(),
            Stream::Metered(metered) => metered.io.tcp(),
        }
    }

    /// The TLS session, if this is one.
    pub fn tls(&self) -> Option<&TlsStream> {
        match self {
            Stream::Tls(tls) => Some(tls),
            Stream::Plain(_) | Stream::Ahead(_) => None,
            Stream::Metered(metered) => metered.io.tls(),
        }
    }

    /// Looks at the first bytes without taking them: how many of `first` are filled, 0 at the end of the stream. A plain
    /// socket answers again at once as long as it has anything; the others wait for more than they gave before.
    pub fn poll_peek(&mut self, cx: &mut Context<'_>, first: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Plain(io) => {
                let mut buf = ReadBuf::new(first);
                ready!(io.poll_peek(cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }
            Stream::Ahead(ahead) => ahead.poll_peek(cx, first),
            Stream::Tls(tls) => tls.poll_peek(cx, first),
            Stream::Metered(metered) => metered.io.poll_peek(cx, first),
        }
    }

    /// Whether an idle connection is open and silent, by what the reactor has already heard: no system call where it has
    /// heard nothing. Not quiet is good for nothing more.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Stream::Plain(io) => io.poll_read_ready(&mut cx).is_pending(),
            Stream::Metered(metered) => metered.io.is_quiet(),
            // What has come may be a session ticket, which is nothing to whoever reads: only reading tells.
            Stream::Ahead(_) | Stream::Tls(_) => {
                let mut byte = [0];
                Pin::new(self).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
            }
        }
    }

    /// The same by asking the kernel: one system call. The reactor alone does not do: what came since it last looked is
    /// news to it, and `poll_peek` asks the reactor before the kernel.
    pub fn is_quiet_now(&mut self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        self.is_quiet()
            && matches!(SockRef::from(self.tcp()).peek(&mut byte), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Ready when there may be something to read, by what the reactor has heard; else it wakes when there is.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Stream::Plain(io) => io.poll_read_ready(cx).map(drop),
            Stream::Metered(metered) => metered.io.poll_readable(cx),
            // What was read ahead or decrypted is no news to the reactor.
            Stream::Ahead(_) | Stream::Tls(_) => Poll::Ready(()),
        }
    }

    /// Closes the sending half, after a farewell where the protocol has one. What is not flushed is lost.
    pub fn shutdown(&mut self) {
        match self {
            Stream::Tls(tls) => tls.say_goodbye(),
            Stream::Metered(metered) => return metered.io.shutdown(),
            Stream::Plain(_) | Stream::Ahead(_) => {}
        }
        // tokio's own shutdown is a poll function that always completes at once for TCP.
        let _ = SockRef::from(self.tcp()).shutdown(Shutdown::Write);
    }
}

impl Ahead {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn poll_peek(&mut self, cx: &mut Context<'_>, first: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.rest().len() <= self.shown {
            let mut buf = ReadBuf::new(first);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            let more = buf.filled().len();
            self.bytes.extend_from_slice(first.get(..more).unwrap_or_default());
        }
        self.shown = show(self.rest(), first);
        Poll::Ready(Ok(self.shown))
    }
}

/// Fills `first` from `bytes` as far as they go.
pub(crate) fn show(bytes: &[u8], first: &mut [u8]) -> usize {
    let n = bytes.len().min(first.len());
    for (to, from) in first.iter_mut().zip(bytes) {
        *to = *from;
    }
    n
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Stream::Ahead(ahead) => {
                let n = ahead.rest().len().min(buf.remaining());
                if n == 0 {
                    return Pin::new(&mut ahead.io).poll_read(cx, buf);
                }
                buf.put_slice(ahead.rest().get(..n).unwrap_or_default());
                ahead.at += n;
                if ahead.rest().is_empty() {
                    (ahead.bytes, ahead.at) = (Vec::new(), 0);
                }
                Poll::Ready(Ok(()))
            }
            Stream::Tls(tls) => tls.poll_read(cx, buf),
            Stream::Metered(metered) => {
                let before = buf.filled().len();
                let read = ready!(Pin::new(&mut metered.io).poll_read(cx, buf));
                metered.meter.received(buf.filled().len() - before);
                Poll::Ready(read)
            }
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(io) => Pin::new(io).poll_write(cx, data),
            Stream::Ahead(ahead) => Pin::new(&mut ahead.io).poll_write(cx, data),
            Stream::Tls(tls) => tls.poll_write(cx, &[IoSlice::new(data)]),
            Stream::Metered(metered) => {
                let wrote = ready!(Pin::new(&mut metered.io).poll_write(cx, data));
                metered.wrote(wrote)
            }
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(io) => Pin::new(io).poll_write_vectored(cx, pieces),
            Stream::Ahead(ahead) => Pin::new(&mut ahead.io).poll_write_vectored(cx, pieces),
            Stream::Tls(tls) => tls.poll_write(cx, pieces),
            Stream::Metered(metered) => {
                let wrote = ready!(Pin::new(&mut metered.io).poll_write_vectored(cx, pieces));
                metered.wrote(wrote)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // A socket holds nothing back.
            Stream::Plain(_) | Stream::Ahead(_) => Poll::Ready(Ok(())),
            Stream::Tls(tls) => tls.poll_flush(cx),
            Stream::Metered(metered) => Pin::new(&mut metered.io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut *this).poll_flush(cx))?;
        this.shutdown();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
