//! The admin interface's own access log: who asked what and what became of it. Knows no commands.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use forebay_telemetry::log::{Address, Bytes, Format, LogFile, LogWriter, Point, Record, Text};

/// Where requests of the admin interface are written down. Clones write to the same files. A line is handed over at once:
/// they are few.
#[derive(Clone, Default)]
pub struct AccessLog(Vec<Arc<Mutex<LogWriter>>>);

impl AccessLog {
    /// Writes to these as well.
    #[must_use]
    pub fn and(mut self, file: &LogFile, format: Arc<Format>) -> Self {
        self.0.push(Arc::new(Mutex::new(file.writer(format))));
        self
    }

    pub(super) fn is_off(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn write(&self, line: &Line) {
        for log in &self.0 {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.log(line);
            log.flush();
        }
    }
}

/// One request. Made only where there is a log.
pub(super) struct Line {
    peer: SocketAddr,
    local: SocketAddr,
    begun: (SystemTime, Instant),
    took: u64,
    method: String,
    target: String,
    headers: http::HeaderMap,
    status: u16,
    sent: u64,
}

impl Line {
    pub(super) fn begin<B>(request: &http::Request<B>, peer: SocketAddr, local: SocketAddr) -> Self {
        Self {
            peer,
            local,
            begun: (SystemTime::now(), Instant::now()),
            took: 0,
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
            status: 0,
            sent: 0,
        }
    }

    pub(super) fn end(&mut self, status: u16, sent: u64) {
        self.took = self.begun.1.elapsed().as_micros() as u64;
        (self.status, self.sent) = (status, sent);
    }
}

impl Record for Line {
    fn started(&self) -> u64 {
        self.begun.0.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64)
    }

    fn at(&self, point: Point) -> Option<u64> {
        match point {
            Point::RequestStart | Point::RequestEnd => Some(0),
            Point::ResponseStart | Point::ResponseEnd => Some(self.took),
            _ => None,
        }
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn bytes(&self, of: Bytes) -> u64 {
        if of == Bytes::Sent { self.sent } else { 0 }
    }

    fn address(&self, of: Address) -> Option<SocketAddr> {
        match of {
            Address::DownstreamRemote | Address::DownstreamDirectRemote => Some(self.peer),
            Address::DownstreamLocal | Address::DownstreamDirectLocal => Some(self.local),
            _ => None,
        }
    }

    fn text(&self, of: Text) -> Option<&str> {
        (of == Text::Protocol).then_some("HTTP/1.1")
    }

    fn request_header(&self, name: &str) -> Option<&[u8]> {
        match name {
            ":method" => Some(self.method.as_bytes()),
            ":path" => Some(self.target.as_bytes()),
            ":authority" => self.headers.get(http::header::HOST).map(http::HeaderValue::as_bytes),
            name => self.headers.get(name).map(http::HeaderValue::as_bytes),
        }
    }
}
