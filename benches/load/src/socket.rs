//! Websocket load: each connection sends a message, waits until it comes back, and sends the next.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::{Failure, Load};

pub(crate) async fn run(load: Load, size: usize) -> Result<String, Failure> {
    let count = Rc::new(Cell::new(0u64));
    let end = Instant::now() + load.length();
    let mut tasks = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(load.to).await?;
        stream.set_nodelay(true)?;
        let url = format!("ws://{}{}", load.host, load.path);
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let count = Rc::clone(&count);
        tasks.push(tokio::task::spawn_local(async move {
            while Instant::now() < end {
                socket.send(Message::binary(vec![b'x'; size])).await?;
                match socket.next().await {
                    Some(message) => drop(message?),
                    None => break,
                }
                count.set(count.get() + 1);
            }
            socket.close(None).await
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(format!("{{\"requests\": {}, \"failed\": 0, \"seconds\": {}}}", count.get(), load.seconds))
}
