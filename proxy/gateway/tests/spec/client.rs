//! A client that sends exactly the bytes it is told to, and reads responses strictly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::world::PATIENCE;

pub struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// A response as it came.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Response {
    /// The only value of a header; it must not be there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(n, _)| n == name);
        let first = all.next().map(|(_, value)| &**value);
        assert!(all.next().is_none(), "{name} repeats in {self:?}");
        first
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// How a response was cut off.
#[derive(Debug, PartialEq, Eq)]
pub struct Aborted;

impl Client {
    pub fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        self.response()
    }

    /// The next response, whole.
    pub fn response(&mut self) -> Response {
        self.try_response(false).unwrap()
    }

    /// The next response to a HEAD request.
    pub fn response_to_head(&mut self) -> Response {
        self.try_response(true).unwrap()
    }

    /// The next response, if its body comes to its end.
    pub fn try_response(&mut self, to_head: bool) -> Result<Response, Aborted> {
        let mut response = self.head().ok_or(Aborted)?;
        if to_head || matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(response);
        }
        if let Some(encoding) = response.header("transfer-encoding") {
            assert_eq!(encoding, "chunked");
            assert_eq!(response.header("content-length"), None, "both framings");
            loop {
                let line = self.line().ok_or(Aborted)?;
                let size = usize::from_str_radix(&line, 16).unwrap();
                if size == 0 {
                    break;
                }
                response.body.extend(self.exactly(size).ok_or(Aborted)?);
                assert_eq!(self.line().ok_or(Aborted)?, "");
            }
            loop {
                let line = self.line().ok_or(Aborted)?;
                if line.is_empty() {
                    break;
                }
                response.trailers.push(field(&line));
            }
        } else if let Some(length) = response.header("content-length") {
            response.body = self.exactly(length.parse().unwrap()).ok_or(Aborted)?;
        } else {
            response.body = self.rest().ok_or(Aborted)?;
        }
        Ok(response)
    }

    /// The next head; `None` if the connection ends first.
    pub fn head(&mut self) -> Option<Response> {
        let start = self.line()?;
        let (version, rest) = start.split_once(' ').unwrap();
        assert!(matches!(version, "HTTP/1.0" | "HTTP/1.1"), "{version}");
        let status = rest[..3].parse().unwrap();
        let mut response = Response { status, ..Response::default() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(response);
            }
            response.headers.push(field(&line));
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|w| w == b"\r\n") {
                let line = self.read.drain(..end + 2).take(end).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            self.more()?;
        }
    }

    /// So many bytes of what comes.
    pub fn exactly(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.read.len() < n {
            self.more()?;
        }
        Some(self.read.drain(..n).collect())
    }

    /// What was read and not asked for.
    pub fn read_ahead(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }

    /// Everything up to a clean end.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        while self.more().is_some() {}
        Some(std::mem::take(&mut self.read))
    }

    /// Reads once; `None` at the end of the connection, however it came.
    fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => None,
            Ok(n) => {
                self.read.extend_from_slice(&chunk[..n]);
                Some(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came; so far {:?}", String::from_utf8_lossy(&self.read))
            }
            Err(_) => None,
        }
    }

    /// Whether the gateway closes the connection now, saying nothing more.
    pub fn is_closed(&mut self) -> bool {
        self.rest().is_some_and(|rest| rest.is_empty())
    }

    /// Whether nothing comes for a little while.
    pub fn is_silent(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
        let mut byte = [0; 1];
        let silent = match self.stream.peek(&mut byte) {
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            Ok(_) => false,
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent && self.read.is_empty()
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Leaves with a reset instead of a FIN.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a field: {line:?}"));
    (name.to_owned(), value.to_owned())
}
