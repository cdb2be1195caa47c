//! How replicas go: no new requests, then no requests, then SIGTERM, then SIGKILL.

use std::time::Duration;

use forebay_local::{Event, Urgency};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::support::{Site, alive, eventually};

async fn draining(site: &mut Site) -> oneshot::Sender<()> {
    site.wait(|event| match event {
        Event::Draining { done, .. } => Ok(done),
        other => Err(other),
    })
    .await
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_program_is_told_to_end() {
    let mut site = Site::new().await;
    let key = site.run("hello", 1, &["serve"]);
    let pid = site.started().await;
    let (_, address) = site.ready().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /400 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    site.platform.scale(&key, 0, Urgency::Routine);
    let done = draining(&mut site).await;
    sleep(Duration::from_millis(50)).await;
    assert!(alive(pid), "somebody may still choose it");
    done.send(()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    drop(stream);
    assert_eq!(site.gone().await, address);
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_drain_ends_with_the_time_a_request_may_take() {
    let mut site = Site::new().await;
    let key = site.run_with("hello", 1, &["serve"], |revision| {
        std::sync::Arc::make_mut(&mut revision.spec).timeout_seconds = 1;
    });
    let (_, address) = site.ready().await;
    let stream = TcpStream::connect(address).await.unwrap();
    site.platform.scale(&key, 0, Urgency::Routine);
    let _done = draining(&mut site).await;
    // Neither an answer to `done` nor the end of the connection comes.
    assert_eq!(site.gone().await, address);
    drop(stream);
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_after_the_grace() {
    let mut site = Site::with(|options| options.grace = Duration::from_millis(200)).await;
    let key = site.run("hello", 1, &["ignore-term", "child", "ignore-term hang", "serve"]);
    let pid = site.started().await;
    site.ready().await;
    let child: u32 = site.line("child ").await[6..].parse().unwrap();
    site.platform.scale(&key, 0, Urgency::Routine);
    drop(draining(&mut site).await);
    site.gone().await;
    assert!(!alive(pid));
    assert!(!alive(child), "its children as well");
}

#[tokio::test]
async fn a_wrapper_that_ends_at_once_does_not_cut_its_childs_grace_short() {
    let mut site = Site::new().await;
    let file = site.path("done");
    // The shell ends at SIGTERM; what it started takes its time and leaves a file behind.
    let script = format!("trap 'sleep 0.3; : > {}; exit' TERM; while :; do sleep 0.01; done", file.display());
    let key = site.run_with("hello", 1, &[], |revision| {
        let text =
            format!("sh -c '{}' & exec {} app serve", script.replace('\'', "'\\''"), crate::support::APP);
        crate::support::container(revision, |container| {
            container.command = ["/bin/sh".into(), "-c".into(), text.as_str().into()].into();
        });
    });
    site.ready().await;
    sleep(Duration::from_millis(50)).await;
    site.platform.scale(&key, 0, Urgency::Routine);
    drop(draining(&mut site).await);
    site.gone().await;
    assert!(file.exists());
}

#[tokio::test]
async fn scaling_up_while_one_drains_starts_afresh() {
    let mut site = Site::new().await;
    let key = site.run("hello", 1, &["serve"]);
    let (_, old) = site.ready().await;
    site.platform.scale(&key, 0, Urgency::Routine);
    let done = draining(&mut site).await;
    site.platform.scale(&key, 1, Urgency::Waiting);
    let (number, new) = site.ready().await;
    assert_eq!((number, new != old), (1, true));
    drop(done);
    assert_eq!(site.gone().await, old);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_connections_that_stay() {
    let mut site = Site::with(|options| options.shutdown_drain_limit = Duration::from_millis(100)).await;
    site.run("hello", 2, &["serve"]);
    let (pids, addresses) = {
        let a = site.started().await;
        let b = site.started().await;
        ([a, b], [site.ready().await.1, site.ready().await.1])
    };
    let streams =
        [TcpStream::connect(addresses[0]).await.unwrap(), TcpStream::connect(addresses[1]).await.unwrap()];
    site.platform.clone().shutdown().await;
    assert!(pids.iter().all(|pid| !alive(*pid)));
    drop(streams);
    // A second one finds nothing to do.
    site.platform.clone().shutdown().await;
}

#[tokio::test]
async fn dropping_the_last_handle_stops_everything() {
    let mut site = Site::with(|options| options.shutdown_drain_limit = Duration::from_millis(100)).await;
    site.run("hello", 1, &["serve"]);
    let pid = site.started().await;
    site.ready().await;
    let Site { platform, events, dir, .. } = site;
    drop((platform, events));
    eventually("the replica ends", || !alive(pid)).await;
    drop(dir);
}
