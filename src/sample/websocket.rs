//! The sample app's websocket: sends back what it gets, says goodbye when the process leaves.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};

use super::answer::status_text;
use super::body::{self, Answer};
use super::load::Load;

pub(super) fn accept(
    mut request: Request<Incoming>,
    load: Arc<Load>,
    leaving: watch::Receiver<()>,
) -> Response<Answer> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    let Some(accept) = key.and_then(|key| HeaderValue::from_str(&key).ok()) else {
        return status_text(StatusCode::UPGRADE_REQUIRED, "this path speaks websocket (RFC 6455) only\n");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _present = load.enter();
        if let Ok(upgraded) = upgrade.await {
            echo(upgraded, leaving).await;
        }
    });
    let mut answer = Response::new(body::whole(""));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

/// Ends when the other side closes, breaks off, or this process was told to leave.
async fn echo(upgraded: Upgraded, mut leaving: watch::Receiver<()>) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    loop {
        let received = tokio::select! {
            received = socket.next() => received,
            // The sender is never used, only dropped.
            _ = leaving.changed() => {
                let goodbye = CloseFrame { code: CloseCode::Away, reason: "the replica leaves".into() };
                let _ = socket.close(Some(goodbye)).await;
                return;
            }
        };
        let sent = match received {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message).await,
            // Pings and closes are answered by the library, while it is asked for the next message.
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) | None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
