//! One reporter's connection, from its first byte to its last.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_report::metrics::WireStatMessages;
use futures_util::StreamExt;
use prost::Message as _;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::Stopped;
use super::handshake::{self, Handshake};

/// How long a request head may take; Knative's number, against clients that send a byte a minute.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Finds reporters that vanished without a word; Knative's number.
const KEEP_ALIVE: Duration = Duration::from_secs(180);
/// 4 MiB: a frame names every busy revision of one gateway in about 150 bytes each, so this is for 25,000 of them.
const FRAME_LIMIT: usize = 4 << 20;
/// 8 KiB: reports are some hundred bytes, and the default of 128 KiB is taken at once.
const READ_BUFFER: usize = 8 * 1024;
/// How long a reporter has to answer our close frame.
const CLOSE_ANSWER: Duration = Duration::from_secs(1);

/// Answers a probe or hears a reporter until it goes or the server stops.
pub(super) async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    frames: mpsc::Sender<WireStatMessages>,
    mut stopped: Stopped,
) {
    if let Err(e) = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE)) {
        tracing::debug!(%peer, "no TCP keep-alive: {e}");
    }
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HEAD_TIMEOUT, handshake::accept(&mut stream)) => shaken,
        () = stopped.wait() => return,
    };
    match shaken {
        Ok(Ok(Handshake::Upgraded { rest })) => {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BUFFER)
                .max_message_size(Some(FRAME_LIMIT))
                .max_frame_size(Some(FRAME_LIMIT));
            let socket = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await;
            Reporter { socket, peer, bad_frames: 0 }.hear(frames, stopped).await;
        }
        Ok(Ok(Handshake::Answered)) => {}
        Ok(Err(e)) => tracing::debug!(%peer, "stat server: handshake: {e}"),
        Err(_) => tracing::debug!(%peer, "stat server: no request head in {HEAD_TIMEOUT:?}"),
    }
}

/// A websocket that reports load.
struct Reporter {
    socket: WebSocketStream<TcpStream>,
    peer: SocketAddr,
    bad_frames: u64,
}

impl Reporter {
    async fn hear(mut self, frames: mpsc::Sender<WireStatMessages>, mut stopped: Stopped) {
        loop {
            let message = tokio::select! {
                () = stopped.wait() => break,
                message = self.socket.next() => message,
            };
            let frame = match message {
                None => return,
                Some(Err(e)) => {
                    tracing::debug!(peer = %self.peer, "stat server: reporter lost: {e}");
                    return;
                }
                Some(Ok(Message::Binary(bytes))) => match WireStatMessages::decode(bytes) {
                    Ok(frame) => frame,
                    Err(e) => {
                        self.complain(&e);
                        continue;
                    }
                },
                Some(Ok(Message::Text(_))) => {
                    self.complain(&"not a binary frame");
                    continue;
                }
                // Pings are answered by the library with the next read; a close ends the stream after it.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_))) => {
                    continue;
                }
            };
            let sent = tokio::select! {
                () = stopped.wait() => break,
                sent = frames.send(frame) => sent,
            };
            if sent.is_err() {
                break;
            }
        }
        self.restart().await;
    }

    /// Once per connection where people see it: a peer that sends nonsense does so every second.
    fn complain(&mut self, what: &dyn std::fmt::Display) {
        self.bad_frames += 1;
        if self.bad_frames == 1 {
            tracing::warn!(peer = %self.peer, "stat server: frame ignored: {what}; further ones of this reporter are not shown");
        } else {
            tracing::debug!(peer = %self.peer, "stat server: frame ignored: {what}");
        }
    }

    /// Asks the reporter to come back: close code 1012, "Service Restart".
    async fn restart(mut self) {
        let frame = CloseFrame { code: CloseCode::Restart, reason: "Restarting".into() };
        let goodbye = async {
            self.socket.close(Some(frame)).await?;
            // Until its own close frame: a socket closed with unread bytes would be reset, and ours perhaps lost.
            while let Some(message) = self.socket.next().await {
                message?;
            }
            Ok::<(), tokio_tungstenite::tungstenite::Error>(())
        };
        match tokio::time::timeout(CLOSE_ANSWER, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::debug!(peer = %self.peer, "stat server: close: {e}"),
            Err(_) => tracing::debug!(peer = %self.peer, "stat server: close not answered"),
        }
    }
}
