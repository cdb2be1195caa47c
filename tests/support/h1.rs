//! An HTTP/1 client that sends exactly the bytes it is told and shows exactly what came back.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Response {
    /// 0 or 1: the minor version.
    pub version: u8,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

/// How the body of an answer is told from what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    Close,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or("<not text>")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn framing(&self) -> Framing {
        if matches!(self.status, 100..200 | 204 | 304) {
            return Framing::None;
        }
        if self.header("transfer-encoding").is_some() {
            return Framing::Chunked;
        }
        match self.header("content-length") {
            Some(length) => Framing::Length(length.parse().expect("a length is a number")),
            None => Framing::Close,
        }
    }

    pub fn closes(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default().to_ascii_lowercase();
        connection.contains("close") || (self.version == 0 && !connection.contains("keep-alive"))
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(self.stream.write_all(bytes.as_ref())).await
    }

    pub async fn get(&mut self, host: &str, path: &str) -> io::Result<Response> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await?;
        self.response().await
    }

    /// Closes the sending half: everything was said.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The next answer, whole.
    pub async fn response(&mut self) -> io::Result<Response> {
        let mut response = self.head().await?;
        match response.framing() {
            Framing::None => {}
            Framing::Length(length) => response.body = self.exactly(length as usize).await?,
            Framing::Close => response.body = self.rest().await?,
            Framing::Chunked => {
                while let Some(chunk) = self.chunk().await? {
                    response.body.extend(chunk);
                }
                response.trailers = self.trailers().await?;
            }
        }
        Ok(response)
    }

    /// The next answer's head; 1xx are answers too. For HEAD, nothing follows.
    pub async fn head(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let mut slots = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Response::new(&mut slots);
        parsed
            .parse(&head)
            .map_err(|error| invalid(format!("{error}: {}", String::from_utf8_lossy(&head))))?;
        Ok(Response {
            version: parsed.version.unwrap_or_default(),
            status: parsed.code.unwrap_or_default(),
            headers: owned(parsed.headers),
            body: Vec::new(),
            trailers: Vec::new(),
        })
    }

    /// The next chunk of a chunked body, as it was cut by whoever sent it; None is the last one.
    pub async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| invalid(format!("chunk size {line:?}")))?;
        if size == 0 {
            return Ok(None);
        }
        let data = self.exactly(size).await?;
        match self.exactly(2).await?.as_slice() {
            b"\r\n" => Ok(Some(data)),
            other => Err(invalid(format!("{other:?} after a chunk"))),
        }
    }

    pub async fn trailers(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut trailers = Vec::new();
        loop {
            let line = self.line().await?;
            match line.split_once(':') {
                Some((name, value)) => trailers.push((name.to_owned(), value.trim().to_owned())),
                None if line.is_empty() => return Ok(trailers),
                None => return Err(invalid(format!("trailer {line:?}"))),
            }
        }
    }

    pub async fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < count {
            self.more().await?;
        }
        Ok(self.read.drain(..count).collect())
    }

    /// Whatever is there next, at most 64 KiB; empty at the end.
    pub async fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.read.is_empty() {
            match self.more().await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                other => other?,
            }
        }
        Ok(std::mem::take(&mut self.read))
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = self.some().await?;
            if piece.is_empty() {
                return Ok(all);
            }
            all.extend(piece);
        }
    }

    /// Whether the other side closes, by FIN or by RST, without another byte.
    pub async fn is_closed(&mut self) -> bool {
        match self.rest().await {
            Ok(left) => left.is_empty(),
            Err(error) => error.kind() != io::ErrorKind::TimedOut,
        }
    }

    /// Whether nothing comes for a while: the connection is open and silent.
    pub async fn is_silent(&mut self, pause: Duration) -> bool {
        self.read.is_empty() && timeout(pause, self.more()).await.is_err()
    }

    async fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n") {
                break at;
            }
            self.more().await?;
        };
        let line: Vec<u8> = self.read.drain(..end + 2).take(end).collect();
        String::from_utf8(line).map_err(|_| invalid("a line is not text".to_owned()))
    }

    async fn more(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        match within(self.stream.read(&mut buffer)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.read.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }
}

/// One request on a connection of its own.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Response {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
}

/// These bytes on a connection of their own, and the answer.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Response {
    let mut connection = Connection::open(address).await.unwrap();
    connection.send(bytes).await.unwrap();
    connection.response().await.unwrap()
}

async fn within<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
