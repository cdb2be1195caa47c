//! gRPC with a stream each way: all calls on one HTTP/2 connection, each with one message under way at a time.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{Failure, Load};

/// `HelloRequest { name: "load" }`, length-prefixed.
const MESSAGE: &[u8] = b"\0\0\0\0\x06\x0a\x04load";

pub(crate) async fn run(load: Load) -> Result<String, Failure> {
    let stream = TcpStream::connect(load.to).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = h2::client::handshake(stream).await?;
    tokio::task::spawn_local(connection);
    let count = Rc::new(Cell::new(0u64));
    let end = Instant::now() + load.length();
    let tasks: Vec<_> = (0..load.connections)
        .map(|_| tokio::task::spawn_local(call(sender.clone(), load.clone(), Rc::clone(&count), end)))
        .collect();
    for task in tasks {
        task.await?.map_err(|error| error.to_string())?;
    }
    Ok(format!("{{\"requests\": {}, \"failed\": 0, \"seconds\": {}}}", count.get(), load.seconds))
}

async fn call(
    sender: h2::client::SendRequest<Bytes>,
    load: Load,
    count: Rc<Cell<u64>>,
    end: Instant,
) -> Result<(), Failure> {
    let mut sender = sender.ready().await?;
    let request = Request::post(format!("http://{}{}", load.host, load.path))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (answer, mut calls) = sender.send_request(request, false)?;
    calls.send_data(Bytes::from_static(MESSAGE), false)?;
    let mut replies = answer.await?.into_body();
    while let Some(data) = replies.data().await {
        // A reply is a few bytes and comes in one frame: there is never more than one under way.
        let length = data?.len();
        replies.flow_control().release_capacity(length)?;
        count.set(count.get() + 1);
        if Instant::now() >= end {
            break;
        }
        calls.send_data(Bytes::from_static(MESSAGE), false)?;
    }
    calls.send_data(Bytes::new(), true)?;
    while let Some(data) = replies.data().await {
        data?;
    }
    match replies.trailers().await?.as_ref().and_then(|trailers| trailers.get("grpc-status")) {
        Some(status) if status == "0" => Ok(()),
        status => Err(format!("a call ended with grpc-status {status:?}").into()),
    }
}
