//! An endpoint that answers with exactly the bytes it is told to, and remembers what it was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::world::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The head, the empty line left out.
    pub head: String,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    pub trailers: String,
    /// The body as it was framed.
    pub chunked: bool,
}

impl Request {
    /// The only value of a header; it must not be there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.head.lines().skip(1).filter_map(|line| {
            let (n, value) = line.split_once(": ")?;
            (n == name).then_some(value)
        });
        let first = all.next();
        assert!(all.next().is_none(), "{name} repeats in {self:?}");
        first
    }

    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub fn path(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }
}

#[derive(Clone)]
pub struct Backend {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

/// One connection of the gateway to the endpoint.
pub struct Conn {
    pub stream: TcpStream,
    read: Vec<u8>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Backend {
    /// Serves each connection on a thread of its own.
    pub fn start(serve: impl Fn(Conn) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (seen, connections, serve) = (backend.seen.clone(), backend.connections.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let conn = Conn { stream, read: Vec::new(), seen: seen.clone() };
                let serve = serve.clone();
                thread::spawn(move || serve(conn));
            }
        });
        backend
    }

    /// Answers every request with these bytes, and keeps the connection.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |mut conn| {
            while conn.request().is_some() {
                conn.send(&bytes);
            }
        })
    }

    /// Answers one request a connection with these bytes, then closes.
    pub fn answering_once(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |mut conn| {
            conn.request();
            conn.send(&bytes);
        })
    }

    /// `200` with the path as its body.
    pub fn echoing_path() -> Self {
        Self::start(|mut conn| {
            while let Some(request) = conn.request() {
                conn.answer(request.path());
            }
        })
    }

    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn request_lines(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.line().to_owned()).collect()
    }

    /// The only request that came.
    pub fn request(&self) -> Request {
        let all = self.requests();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Conn {
    /// The next request, whole; `None` at the end of the connection.
    pub fn request(&mut self) -> Option<Request> {
        let mut request = self.request_head()?;
        if request.header("transfer-encoding") == Some("chunked") {
            request.chunked = true;
            loop {
                let line = self.line()?;
                let size = usize::from_str_radix(&line, 16).unwrap();
                if size == 0 {
                    break;
                }
                request.body.extend(self.exactly(size)?);
                assert_eq!(self.line()?, "");
            }
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                request.trailers += &line;
            }
        } else if let Some(length) = request.header("content-length") {
            request.body = self.exactly(length.parse().unwrap())?;
        }
        self.seen.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// The next head alone; it is not remembered.
    pub fn request_head(&mut self) -> Option<Request> {
        let mut head = self.line()?;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(Request { head, ..Request::default() });
            }
            head += "\n";
            head += &line;
        }
    }

    /// What the gateway does with it is its business: it may be gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub fn answer(&mut self, body: &str) {
        self.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
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

    pub fn exactly(&mut self, n: usize) -> Option<Vec<u8>> {
        while self.read.len() < n {
            self.more()?;
        }
        Some(self.read.drain(..n).collect())
    }

    fn more(&mut self) -> Option<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(n @ 1..) => {
                self.read.extend_from_slice(&chunk[..n]);
                Some(())
            }
            _ => None,
        }
    }
}
