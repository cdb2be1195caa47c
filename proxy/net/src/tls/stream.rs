//! One TLS session over one socket: records in, records out, nothing held while idle. Knows no certificates.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::certificate::{About, about};
use super::verify::WrongNames;
use super::words::cipher_name;
use crate::stream::show;

/// Why a handshake came to nothing.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The peer closed before it was done.
    #[error("the peer closed the connection during the TLS handshake")]
    Closed,
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// One side found the other wanting; whoever found it has sent an alert.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

/// What a failed handshake is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection broke.
    Broken,
    /// The two have nothing in common, or one of them broke the rules.
    Protocol,
    /// The peer has no certificate, and needs one.
    NoCertificate,
    /// The peer's certificate is signed by nobody who is believed, or is out of date.
    Untrusted,
    /// The peer's certificate has none of the names it should have.
    WrongName,
}

impl HandshakeError {
    /// What it is counted as.
    pub fn failure(&self) -> Failure {
        use rustls::Error;
        match self {
            HandshakeError::Closed | HandshakeError::Io(_) => Failure::Broken,
            HandshakeError::Tls(Error::NoCertificatesPresented) => Failure::NoCertificate,
            HandshakeError::Tls(Error::InvalidCertificate(wrong)) if WrongNames::is(wrong) => {
                Failure::WrongName
            }
            HandshakeError::Tls(Error::InvalidCertificate(_)) => Failure::Untrusted,
            HandshakeError::Tls(_) => Failure::Protocol,
        }
    }

    /// Why the peer's certificate is not good enough, in the words that Envoy's library has for it where they are known.
    pub fn verdict(&self) -> Option<String> {
        use rustls::{CertificateError, Error};
        let HandshakeError::Tls(Error::InvalidCertificate(wrong)) = self else { return None };
        let why = match wrong {
            CertificateError::Other(other) if WrongNames::is(wrong) => return Some(other.0.to_string()),
            CertificateError::UnknownIssuer => "unable to get local issuer certificate".to_owned(),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "certificate has expired".to_owned()
            }
            other => format!("{other:?}"),
        };
        Some(format!(
            "verify cert failed: X509_verify_cert: certificate verification error at depth 0: {why}"
        ))
    }
}

/// A session, either side.
pub struct TlsStream {
    io: TcpStream,
    session: Connection,
    /// Read from the socket and not yet taken by the session: `raw[at..end]`; without capacity while there is nothing.
    raw: Vec<u8>,
    at: usize,
    end: usize,
    /// Plain text that somebody looked at and left.
    ahead: Vec<u8>,
    /// How much of that a peek has shown: the next one waits for more.
    shown: usize,
    /// The settings it was made by.
    settings: u64,
}

/// 33 KiB: two full records with their overhead, so that bulk costs one system call for two records, where rustls by itself
/// reads 4 KiB at a time.
const RAW: usize = 2 * (16 * 1024 + 256 + 5);

/// Spare read buffers of a thread; sessions hold one only between two polls in which the reader did not keep up.
const SPARE: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

impl TlsStream {
    /// A session that is to begin on `io`, of which `first` has been read already. Finish it with
    /// [`handshake`](Self::handshake).
    pub fn new(io: TcpStream, session: Connection, first: Vec<u8>) -> Self {
        let end = first.len();
        Self { io, session, raw: first, at: 0, end, ahead: Vec::new(), shown: 0, settings: 0 }
    }

    /// The same with the number of the settings it is made by.
    pub(super) fn made_by(settings: u64, io: TcpStream, session: Connection) -> Self {
        let mut made = Self::new(io, session, Vec::new());
        made.settings = settings;
        made
    }

    /// The number of the settings it was made by; 0 where they have none.
    pub fn settings(&self) -> u64 {
        self.settings
    }

    /// The socket below.
    pub fn tcp(&self) -> &TcpStream {
        &self.io
    }

    /// What was agreed upon.
    pub fn session(&self) -> &Connection {
        &self.session
    }

    /// The version agreed upon, as Envoy writes it.
    pub fn version(&self) -> &'static str {
        match self.session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "",
        }
    }

    /// The cipher agreed upon, as OpenSSL writes it.
    pub fn cipher(&self) -> &'static str {
        self.session.negotiated_cipher_suite().map_or("", cipher_name)
    }

    /// The protocol agreed upon, if they spoke of it.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Whether an earlier session was taken up again.
    pub fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// What the peer's certificate says, if it showed one.
    pub fn peer(&self) -> Option<About> {
        about(self.session.peer_certificates()?.first()?)
    }

    /// The peer's chain as it came, leaf first; empty if it showed none.
    pub fn peer_chain(&self) -> &[CertificateDer<'static>] {
        self.session.peer_certificates().unwrap_or_default()
    }

    /// Carries out the handshake, up to and including the session tickets a server sends after it.
    pub async fn handshake(&mut self) -> Result<(), HandshakeError> {
        std::future::poll_fn(|cx| self.poll_handshake(cx)).await
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeError>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_feed(cx))? == 0 {
                return Poll::Ready(Err(HandshakeError::Closed));
            }
            if let Err(error) = self.session.process_new_packets() {
                // The alert says what was wrong; whether it leaves does not matter to us.
                if error == rustls::Error::NoCertificatesPresented && self.version() == "TLSv1.2" {
                    self.say_handshake_failure();
                } else {
                    let _ = self.poll_flush(cx);
                }
                return Poll::Ready(Err(error.into()));
            }
        }
    }

    /// TLS 1.2 has no alert of its own for a certificate that is missing, and the library sends the one of TLS 1.3.
    fn say_handshake_failure(&mut self) {
        let mut out = Vec::new();
        while self.session.wants_write() && self.session.write_tls(&mut out).is_ok_and(|n| n > 0) {}
        if let [.., level @ 2, description @ 116] = &mut *out {
            (*level, *description) = (2, 40);
        }
        let _ = self.io.try_write(&out);
    }

    /// Hands the session more of what the peer sent; 0 is the end of the stream.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.at == self.end {
            if self.raw.len() < RAW {
                self.raw = BUFFERS.with_borrow_mut(|spare| spare.pop().unwrap_or_else(|| vec![0; RAW]));
            }
            let mut room = ReadBuf::new(&mut self.raw);
            let polled = Pin::new(&mut self.io).poll_read(cx, &mut room);
            (self.at, self.end) = (0, room.filled().len());
            if self.end == 0 {
                self.give_back();
            }
            ready!(polled)?;
        }
        let mut bytes = self.raw.get(self.at..self.end).unwrap_or_default();
        let taken = self.session.read_tls(&mut bytes)?;
        self.at += taken;
        if self.at == self.end {
            self.give_back();
        }
        Poll::Ready(Ok(taken))
    }

    fn give_back(&mut self) {
        let raw = std::mem::take(&mut self.raw);
        (self.at, self.end) = (0, 0);
        if raw.len() == RAW {
            BUFFERS.with_borrow_mut(|spare| {
                if spare.len() < SPARE {
                    spare.push(raw);
                }
            });
        }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.remaining());
            buf.put_slice(self.ahead.get(..n).unwrap_or_default());
            self.ahead.drain(..n);
            return Poll::Ready(Ok(()));
        }
        let n = ready!(self.poll_plain(cx, buf.initialize_unfilled()))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }

    fn poll_plain(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.session.reader().read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // Closed without a farewell: HTTP's own framing says whether anything is missing, and many do so.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                other => return Poll::Ready(other),
            }
            ready!(self.poll_feed(cx))?;
            let state = self.session.process_new_packets();
            if self.session.wants_write() {
                // An alert, or the answer to a key update: it leaves now or with the next write.
                let _ = self.poll_flush(cx);
            }
            if let Err(error) = state {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
    }

    pub(crate) fn poll_peek(&mut self, cx: &mut Context<'_>, first: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.ahead.len() <= self.shown {
            let n = ready!(self.poll_plain(cx, first))?;
            self.ahead.extend_from_slice(first.get(..n).unwrap_or_default());
        }
        self.shown = show(&self.ahead, first);
        Poll::Ready(Ok(self.shown))
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // What was taken before goes first: a peer that does not read holds 64 KiB of ours, not more.
        ready!(self.poll_flush(cx))?;
        let n = self.session.writer().write_vectored(pieces)?;
        match self.poll_flush(cx) {
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            _ => Poll::Ready(Ok(n)),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut to = Socket { io: &mut self.io, cx };
            match self.session.write_tls(&mut to) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends `close_notify` if it can leave now. A handshake that did not end has nothing to close.
    pub(crate) fn say_goodbye(&mut self) {
        if self.session.is_handshaking() {
            return;
        }
        self.session.send_close_notify();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = self.poll_flush(&mut cx);
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.say_goodbye();
        self.give_back();
    }
}

/// A socket as rustls writes to it.
struct Socket<'s, 'c, 'w> {
    io: &'s mut TcpStream,
    cx: &'c mut Context<'w>,
}

impl Write for Socket<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.io).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.io).poll_write_vectored(self.cx, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blocking(polled: Poll<io::Result<usize>>) -> io::Result<usize> {
    match polled {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
