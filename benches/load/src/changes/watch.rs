//! Connections that ask again and again until the answer is the wanted one. Owns its sockets; knows nothing of changes.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::Failure;

/// Longer than any gateway should need for the first ten thousand services.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Watchers(Vec<Watcher>);

struct Watcher {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Watchers {
    /// Waits until somebody listens.
    pub(crate) async fn connect(gateway: SocketAddr, count: usize) -> Result<Self, Failure> {
        let end = Instant::now() + PATIENCE;
        let mut watchers = Vec::with_capacity(count);
        while watchers.len() < count {
            match TcpStream::connect(gateway).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    watchers.push(Watcher { stream, buffer: Vec::with_capacity(4096) });
                }
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
        Ok(Self(watchers))
    }

    /// Until each is answered with this body, or with 404 if there is none.
    pub(crate) async fn until(&mut self, host: &str, body: Option<&str>) -> Result<(), Failure> {
        let all = try_join_all(self.0.iter_mut().map(|watcher| watcher.until(host, body)));
        match timeout(PATIENCE, all).await {
            Ok(found) => found.map(drop),
            Err(_) => Err(format!("{host} did not answer {body:?} within {PATIENCE:?}").into()),
        }
    }
}

impl Watcher {
    async fn until(&mut self, host: &str, body: Option<&str>) -> Result<(), Failure> {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        loop {
            self.stream.write_all(request.as_bytes()).await?;
            let (status, found) = self.answer().await?;
            let wanted = match body {
                Some(body) => status == 200 && found == body.as_bytes(),
                None => status == 404,
            };
            if wanted {
                return Ok(());
            }
        }
    }

    /// Status and body of one answer.
    async fn answer(&mut self) -> Result<(u16, Vec<u8>), Failure> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the gateway closed a watcher's connection".into());
            }
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(head) = response.parse(&self.buffer)? else { continue };
            let length = response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                .map_or(Ok(0), |header| {
                    std::str::from_utf8(header.value)?.parse::<usize>().map_err(Failure::from)
                })?;
            if let Some(body) = self.buffer.get(head..head + length) {
                return Ok((response.code.unwrap_or(0), body.to_vec()));
            }
        }
    }
}
