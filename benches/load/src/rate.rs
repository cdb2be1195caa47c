//! Load at a fixed rate over HTTP/1.1. A request that is late because an answer was late counts from when it was due, so a
//! proxy that stalls cannot hide it (coordinated omission); a timer that is late is the load's own fault and does not count.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::{Failure, Load};

/// Runs all connections, their turns spread evenly.
pub(crate) async fn run(load: Load, rate: u64) -> Result<String, Failure> {
    let seconds = load.seconds;
    let (mut taken, failed) = times(load, rate).await?;
    taken.sort_unstable();
    let at = |share: f64| {
        let rank = (taken.len() as f64 * share).ceil() as usize;
        taken.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    };
    Ok(format!(
        "{{\"requests\": {}, \"failed\": {failed}, \"seconds\": {seconds}, \"p50_us\": {}, \"p99_us\": {}, \"p999_us\": {}, \"max_us\": {}}}",
        taken.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    ))
}

/// Microseconds of each answer of 200, in no order, and how many were something else.
async fn times(load: Load, rate: u64) -> Result<(Vec<u32>, u64), Failure> {
    let load = Rc::new(load);
    let every = Duration::from_secs_f64(load.connections as f64 / rate.max(1) as f64);
    let start = Instant::now() + Duration::from_millis(100);
    let tasks: Vec<_> = (0..load.connections)
        .map(|number| {
            let first = start + every.mul_f64(number as f64 / load.connections as f64);
            tokio::task::spawn_local(connection(Rc::clone(&load), first, every, start + load.length()))
        })
        .collect();
    let (mut taken, mut failed) = (Vec::new(), 0);
    for task in tasks {
        let (times, bad) = task.await??;
        taken.extend(times);
        failed += bad;
    }
    Ok((taken, failed))
}

/// Microseconds of each answer of 200, and how many were something else.
async fn connection(
    load: Rc<Load>,
    mut due: Instant,
    every: Duration,
    end: Instant,
) -> Result<(Vec<u32>, u64), std::io::Error> {
    let mut stream = TcpStream::connect(load.to).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", load.path, load.host);
    let (mut times, mut failed, mut buffer) = (Vec::new(), 0, Vec::new());
    while due < end {
        let free = Instant::now();
        sleep_until(due).await;
        // Whoever was free in time is measured from when the timer fired, whoever was not from when it should have.
        let from = if free <= due { Instant::now() } else { due };
        stream.write_all(request.as_bytes()).await?;
        match answer(&mut stream, &mut buffer).await? {
            200 => times.push(from.elapsed().as_micros().min(u128::from(u32::MAX)) as u32),
            _ => failed += 1,
        }
        due += every;
    }
    Ok((times, failed))
}

/// Reads one answer with a Content-Length; its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<u16, std::io::Error> {
    buffer.clear();
    loop {
        let mut table = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut table);
        let parsed = response.parse(buffer).map_err(std::io::Error::other)?;
        if let httparse::Status::Complete(head) = parsed {
            let length =
                response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
            let length =
                length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok());
            let whole =
                head + length.ok_or_else(|| std::io::Error::other("an answer without Content-Length"))?;
            let status = response.code.unwrap_or(0);
            while buffer.len() < whole {
                more(stream, buffer).await?;
            }
            return Ok(status);
        }
        more(stream, buffer).await?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), std::io::Error> {
    match stream.read_buf(buffer).await? {
        0 => Err(std::io::Error::other("the proxy closed the connection")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
