//! Upgrades: websocket frames pass both ways, from zero and for as long as both sides want.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::forebay::Forebay;
use crate::support::h1;
use crate::support::manifest::hello;
use crate::support::soon;

const URL: &str = "ws://hello.default.localhost/ws";

#[tokio::test]
async fn echoes_from_zero_small_and_large_text_and_binary() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut socket = open(&forebay).await;
    for message in [Message::text("hi"), Message::binary(vec![7u8; 300_000]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        let echoed = soon("an echo", socket.next()).await.unwrap().unwrap();
        assert_eq!(echoed, message);
    }
    socket.close(None).await.unwrap();
    let goodbye = soon("a goodbye", socket.next()).await;
    assert!(matches!(goodbye, None | Some(Ok(Message::Close(_)))), "{goodbye:?}");
}

#[tokio::test]
async fn many_at_once_do_not_mix() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let mut sockets = Vec::new();
    for number in 0..20 {
        let mut socket = open(&forebay).await;
        socket.send(Message::text(format!("socket {number}"))).await.unwrap();
        sockets.push(socket);
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        let echoed = soon("an echo", socket.next()).await.unwrap().unwrap();
        assert_eq!(echoed, Message::text(format!("socket {number}")));
    }
}

#[tokio::test]
async fn an_upgrade_the_app_declines_is_its_answer() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    let ask = "GET /headers HTTP/1.1\r\nHost: hello.default.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = h1::exchange(forebay.address, ask).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["headers"]["upgrade"][0], "websocket");
}

async fn open(forebay: &Forebay) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(forebay.address).await.unwrap();
    let (socket, answer) = soon("the upgrade", tokio_tungstenite::client_async(URL, stream)).await.unwrap();
    assert_eq!(answer.status(), 101);
    socket
}
