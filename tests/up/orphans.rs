//! However forebay ends, nothing it started outlives it, and its ports are free.

use std::net::TcpListener;

use crate::support::forebay::Forebay;
use crate::support::manifest::{documents, hello, service};
use crate::support::{process, until};

#[tokio::test]
async fn told_to_leave_it_takes_everything_along() {
    let forebay = two().await;
    let (mark, address) = (forebay.mark(), forebay.address);
    let (status, _setup) = forebay.stop().await;
    assert!(status.success(), "{status}");
    assert_eq!(process::marked(&mark), Vec::<u32>::new());
    TcpListener::bind(address).expect("the port is free");
}

#[tokio::test]
async fn killed_it_leaves_nothing_either() {
    let forebay = two().await;
    let (mark, address) = (forebay.mark(), forebay.address);
    let _setup = forebay.kill();
    until("no process of it to be left", async || process::marked(&mark).is_empty()).await;
    TcpListener::bind(address).expect("the port is free");
}

#[tokio::test]
async fn requests_in_flight_are_answered_before_it_leaves() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    assert_eq!(forebay.get("hello.default.localhost", "/").await.status, 200);
    let (address, pid) = (forebay.address, forebay.pid());
    let slow = tokio::spawn(async move {
        crate::support::h1::get(address, "hello.default.localhost", "/sleep?ms=1000").await
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    process::signal(pid, rustix::process::Signal::TERM);
    let answer = slow.await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "slept 1000 ms\n"));
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_them_and_still_leaves_nothing() {
    let forebay = Forebay::up(|mark| hello(mark).to_string()).await;
    assert_eq!(forebay.get("hello.default.localhost", "/").await.status, 200);
    let (address, mark) = (forebay.address, forebay.mark());
    let mut slow = crate::support::h1::Connection::open(address).await.unwrap();
    // Longer than anything here is waited for.
    slow.send("GET /sleep?ms=60000 HTTP/1.1\r\nhost: hello.default.localhost\r\n\r\n").await.unwrap();
    until("it runs", async || forebay.page("/clusters").await.text().contains("forebay_in_flight::1")).await;
    process::signal(forebay.pid(), rustix::process::Signal::TERM);
    forebay.says(&["a second Ctrl-C does not wait"]).await;
    process::signal(forebay.pid(), rustix::process::Signal::INT);
    let (status, _setup) = forebay.left().await;
    assert_eq!(status.code(), Some(128 + 2), "{status}");
    until("no process of it to be left", async || process::marked(&mark).is_empty()).await;
    TcpListener::bind(address).expect("the port is free");
}

/// Two services that run: one is a program, one a shell that starts a program and stays.
async fn two() -> Forebay {
    let shell = format!("{} sample hello & wait", crate::support::FOREBAY);
    let forebay =
        Forebay::up(|mark| documents(&[hello(mark), service("shell", mark).command(&["sh", "-c", &shell])]))
            .await;
    for host in ["hello.default.localhost", "shell.default.localhost"] {
        assert_eq!(forebay.get(host, "/").await.status, 200);
    }
    assert!(forebay.replicas().len() >= 3, "{:?}", forebay.replicas());
    forebay
}
