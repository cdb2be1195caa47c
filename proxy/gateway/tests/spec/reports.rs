//! What the autoscaler hears, over the websocket that Knative's activator speaks.

use std::time::Duration;

use forebay_report::metrics::{Stat, WireStatMessages};
use futures_util::StreamExt;
use prost::Message as _;
use tokio::sync::mpsc;

use super::backend::Backend;
use super::background::Background;
use super::resources::Revision;
use super::world::{PATIENCE, to, until};

/// A stat server: its URL and what it hears.
fn stat_server(runtime: &Background) -> (String, mpsc::UnboundedReceiver<Stat>) {
    let (tell, heard) = mpsc::unbounded_channel();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(frame)) = socket.next().await {
                    if !frame.is_binary() {
                        continue;
                    }
                    for message in WireStatMessages::decode(frame.into_data()).unwrap().messages {
                        assert_eq!((&*message.namespace, &*message.name), ("default", "backend-00001"));
                        let _ = tell.send(message.stat.unwrap());
                    }
                }
            });
        }
    });
    (url, heard)
}

fn next(runtime: &Background, heard: &mut mpsc::UnboundedReceiver<Stat>) -> Stat {
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, heard.recv()).await })
        .expect("a report comes")
        .unwrap()
}

#[test]
fn a_first_request_that_waits_is_told_before_the_second_is_over() {
    let runtime = Background::start();
    let (url, mut heard) = stat_server(&runtime);
    let world = to(&[]).revision(Revision::new().text("report", &url)).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let poke = next(&runtime, &mut heard);
    assert_eq!((&*poke.pod_name, poke.average_concurrent_requests, poke.request_count), ("spec", 1.0, 1.0));
}

#[test]
fn what_waits_and_runs_is_told_every_second() {
    let runtime = Background::start();
    let (url, mut heard) = stat_server(&runtime);
    let world = to(&[]).workers(2).revision(Revision::new().text("report", &url)).start();
    let mut clients: Vec<_> = (0..3).map(|_| world.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    until("three wait", || world.load().0 == 3);
    // The pokes and the rest of the first second, then whole seconds of three.
    let begun = std::time::Instant::now();
    loop {
        let stat = next(&runtime, &mut heard);
        if (stat.average_concurrent_requests - 3.0).abs() < 0.3 && stat.request_count == 0.0 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "three in flight were never told");
    }
    drop(clients);
}

#[test]
fn arrivals_add_up_to_what_was_sent() {
    let runtime = Background::start();
    let (url, mut heard) = stat_server(&runtime);
    let backend = Backend::echoing_path();
    let world = to(&[backend.address]).workers(2).revision(Revision::new().text("report", &url)).start();
    std::thread::sleep(Duration::from_millis(50));
    for _ in 0..4 {
        let mut client = world.connect();
        for _ in 0..25 {
            assert_eq!(client.get("/").status, 200);
        }
    }
    // Rates of intervals of about a second: their sum is the number of requests, give or take the intervals' lengths.
    let mut sum = 0.0;
    while sum < 80.0 {
        sum += next(&runtime, &mut heard).request_count;
    }
    assert!(sum < 125.0, "{sum}");
}
