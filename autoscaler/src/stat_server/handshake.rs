//! The HTTP before the websocket: one request head, read strictly, answered with 101, with a probe's 200, or with what is
//! wrong. Knows nothing of frames.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// 16 KiB: a handshake is some 300 bytes; what is longer is none.
const HEAD_LIMIT: usize = 16 << 10;
/// 64 KiB and a second: enough for what was on its way when the answer was written.
const LINGER_BYTES: usize = 64 << 10;
const LINGER: Duration = Duration::from_secs(1);
/// Header lines of a head.
const HEADERS: usize = 64;

/// How a connection began.
pub(super) enum Handshake {
    /// It is a websocket now; the bytes behind the head belong to it.
    Upgraded { rest: Vec<u8> },
    /// It was answered and is done.
    Answered,
}

/// Reads the head and answers it.
pub(super) async fn accept(stream: &mut TcpStream) -> io::Result<Handshake> {
    let mut read = Vec::with_capacity(1024);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            // Nothing was asked: a TCP probe.
            return Ok(Handshake::Answered);
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let (answer, length) = match request.parse(&read) {
            Ok(httparse::Status::Partial) if read.len() < HEAD_LIMIT => continue,
            Ok(httparse::Status::Partial) => (Answer::HeadTooLong, read.len()),
            Ok(httparse::Status::Complete(length)) => (Answer::to(&request), length),
            Err(httparse::Error::TooManyHeaders) => (Answer::HeadTooLong, read.len()),
            Err(_) => (Answer::Bad, read.len()),
        };
        stream.write_all(answer.text().as_bytes()).await?;
        if let Answer::Upgrade { .. } = answer {
            return Ok(Handshake::Upgraded { rest: read.split_off(length) });
        }
        stream.shutdown().await?;
        linger(stream).await;
        return Ok(Handshake::Answered);
    }
}

/// Reads on for a moment after an answer: closing with unread bytes would reset the connection, and the client might
/// never see what was wrong.
async fn linger(stream: &mut TcpStream) {
    let mut rest = [0; 1024];
    let drain = async {
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut rest).await {
                Ok(0) | Err(_) => return,
                Ok(n) => left = left.saturating_sub(n),
            }
        }
    };
    // However it ends, the connection ends with it.
    let _ = tokio::time::timeout(LINGER, drain).await;
}

/// What a head deserves.
enum Answer {
    /// Not a request of HTTP/1.1, or a handshake with a part missing.
    Bad,
    /// A browser's page of another origin.
    ForeignOrigin,
    HeadTooLong,
    NotGet,
    /// No websocket asked for.
    NotUpgrade,
    Probe,
    Upgrade {
        accept: String,
    },
}

impl Answer {
    /// The checks of Knative's server, in its order: probes first, whatever else they say.
    fn to(request: &httparse::Request<'_, '_>) -> Self {
        let header = |name: &str| {
            let found = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(found.value).ok()
        };
        let has = |name: &str, token: &str| {
            let mut all = request.headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
            all.any(|h| {
                h.value.split(|&b| b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
            })
        };
        if header("user-agent").is_some_and(|agent| agent.starts_with("kube-probe/"))
            || header("k-kubelet-probe").is_some_and(|value| !value.is_empty())
        {
            return Self::Probe;
        }
        if !has("connection", "upgrade") {
            return Self::Bad;
        }
        if !has("upgrade", "websocket") {
            return Self::NotUpgrade;
        }
        if request.method != Some("GET") {
            return Self::NotGet;
        }
        if request.version != Some(1) || !has("sec-websocket-version", "13") {
            return Self::Bad;
        }
        if let Some(origin) = header("origin") {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            if !header("host").is_some_and(|own| own.eq_ignore_ascii_case(host)) {
                return Self::ForeignOrigin;
            }
        }
        match header("sec-websocket-key") {
            // 16 random bytes in base64.
            Some(key) if key.len() == 24 => Self::Upgrade { accept: derive_accept_key(key.as_bytes()) },
            _ => Self::Bad,
        }
    }

    /// The response, as bytes on the wire.
    fn text(&self) -> String {
        let (status, extra) = match self {
            Self::Upgrade { accept } => {
                return format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
            }
            Self::Probe => {
                return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
            }
            Self::Bad => ("400 Bad Request", "Sec-WebSocket-Version: 13\r\n"),
            Self::ForeignOrigin => ("403 Forbidden", ""),
            Self::HeadTooLong => ("431 Request Header Fields Too Large", ""),
            Self::NotGet => ("405 Method Not Allowed", "Allow: GET\r\n"),
            Self::NotUpgrade => {
                ("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
            }
        };
        // As Go's http.Error: the status's words and a newline.
        let body = status.split_once(' ').map_or(status, |(_, words)| words);
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
             {extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}\n",
            body.len() + 1
        )
    }
}
