//! Streams of server-sent events: opens all of them, then counts what arrives on them within the time.

use std::cell::Cell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::{Failure, Load};

pub(crate) async fn run(load: Load) -> Result<String, Failure> {
    let count = Rc::new(Cell::new(0u64));
    let end = Instant::now() + load.length();
    let request =
        format!("GET {} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n", load.path, load.host);
    let mut tasks = Vec::new();
    for _ in 0..load.connections {
        let mut stream = TcpStream::connect(load.to).await?;
        stream.write_all(request.as_bytes()).await?;
        let count = Rc::clone(&count);
        tasks.push(tokio::task::spawn_local(async move {
            let mut buffer = vec![0; 4096];
            let mut ended = false;
            while let Ok(read) = timeout_at(end, stream.read(&mut buffer)).await {
                let length = read?;
                if length == 0 {
                    ended = true;
                    break;
                }
                let events = buffer[..length].windows(5).filter(|window| window == b"data:").count();
                count.set(count.get() + events as u64);
            }
            Ok::<_, std::io::Error>(ended)
        }));
    }
    let mut ended = 0;
    for task in tasks {
        ended += u64::from(task.await??);
    }
    Ok(format!("{{\"requests\": {}, \"failed\": {ended}, \"seconds\": {}}}", count.get(), load.seconds))
}
