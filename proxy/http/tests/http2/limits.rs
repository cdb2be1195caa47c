//! The client's end: limits of the endpoint, farewells, refusals, streams that wait for a place.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use forebay_http::h2::{self, By, ClientStream, Error, Reason, SendRequest, Settings};
use forebay_http::{Head, Pool};
use tokio::io::DuplexStream;
use tokio::sync::oneshot;

use super::raw::*;
use super::serve::{request, run};

/// A client, and a server by hand that has said its settings.
async fn client(settings: &[u8]) -> (SendRequest, Raw, oneshot::Receiver<Result<(), Error>>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (send, ended) = connect(ours);
    let mut raw = Raw::silent(theirs);
    raw.preface().await;
    raw.frame(SETTINGS, 0, 0, settings).await;
    raw.lives().await;
    (send, raw, ended)
}

fn connect(io: DuplexStream) -> (SendRequest, oneshot::Receiver<Result<(), Error>>) {
    let (send, connection) = h2::connect(io, &Pool::new(), &Settings::default());
    let (told, ended) = oneshot::channel();
    tokio::task::spawn_local(async move {
        let _ = told.send(connection.await);
    });
    (send, ended)
}

fn open(send: &mut SendRequest) -> ClientStream {
    ClientStream::open(send, &request("GET", "/"), true).unwrap()
}

async fn answer(stream: &mut ClientStream) -> Result<u16, Error> {
    let mut head = Head::default();
    poll_fn(|cx| stream.poll_response(cx, &mut head)).await?;
    Ok(head.status)
}

#[test]
fn an_endpoint_s_limit_is_kept_and_places_go_round_in_order() {
    run(async {
        let (mut send, mut raw, _ended) = client(&setting(3, 1)).await;
        let mut first = open(&mut send);
        assert_eq!(raw.until(HEADERS).await.stream, 1);
        assert_eq!(send.is_ready(), Ok(false));
        assert!(ClientStream::open(&mut send, &request("GET", "/"), true).is_err());
        let order = Rc::new(Cell::new(0));
        let waiters: Vec<_> = (1..=3)
            .map(|i| {
                let (mut send, order) = (send.clone(), order.clone());
                tokio::task::spawn_local(async move {
                    poll_fn(|cx| send.poll_ready(cx)).await.unwrap();
                    assert_eq!(order.replace(i), i - 1);
                    let mut stream = open(&mut send);
                    assert_eq!(answer(&mut stream).await, Ok(204));
                })
            })
            .collect();
        tokio::task::yield_now().await;
        raw.frame(HEADERS, WHOLE, 1, &[0x89]).await;
        assert_eq!(answer(&mut first).await, Ok(204));
        for id in [3, 5, 7] {
            assert_eq!(raw.until(HEADERS).await.stream, id);
            raw.frame(HEADERS, WHOLE, id, &[0x89]).await;
        }
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(send.is_ready(), Ok(true));
    });
}

#[test]
fn who_waited_and_gave_up_lets_the_next_go() {
    run(async {
        let (mut send, mut raw, _ended) = client(&setting(3, 1)).await;
        let first = open(&mut send);
        let (mut one, mut other) = (send.clone(), send.clone());
        let (gone, wakes) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
        let waits = tokio::task::spawn_local(async move { poll_fn(|cx| one.poll_ready(cx)).await });
        let woken = wakes.clone();
        let next = tokio::task::spawn_local(async move {
            poll_fn(|cx| other.poll_ready(cx)).await.unwrap();
            woken.set(true);
        });
        tokio::task::yield_now().await;
        gone.set(true);
        waits.abort();
        tokio::task::yield_now().await;
        drop(first);
        assert_eq!(raw.reset(1).await, 8);
        next.await.unwrap();
        assert!(wakes.get() && gone.get());
    });
}

#[test]
fn a_farewell_fails_what_comes_behind_and_nothing_else() {
    run(async {
        let (mut send, mut raw, ended) = client(&[]).await;
        let (mut first, mut second) = (open(&mut send), open(&mut send));
        raw.until(HEADERS).await;
        raw.until(HEADERS).await;
        raw.frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]).await;
        assert_eq!(answer(&mut second).await, Err(Error::GoAway(Reason::NO_ERROR, By::Remote)));
        assert!(send.is_ready().is_err());
        raw.frame(HEADERS, WHOLE, 1, &[0x88]).await;
        assert_eq!(answer(&mut first).await, Ok(200));
        drop((first, second));
        assert_eq!(ended.await.unwrap(), Ok(()), "the last stream has ended, so the connection does");
    });
}

#[test]
fn faults_are_told_apart() {
    run(async {
        let (mut send, mut raw, ended) = client(&[]).await;
        let mut streams: Vec<_> = (0..5).map(|_| open(&mut send)).collect();
        raw.frame(RST_STREAM, 0, 1, &7u32.to_be_bytes()).await;
        assert_eq!(answer(&mut streams[0]).await, Err(Error::Reset(Reason::REFUSED_STREAM, By::Remote)));
        raw.frame(RST_STREAM, 0, 3, &2u32.to_be_bytes()).await;
        assert_eq!(answer(&mut streams[1]).await, Err(Error::Reset(Reason::INTERNAL_ERROR, By::Remote)));
        raw.frame(HEADERS, WHOLE, 5, &[]).await;
        assert_eq!(answer(&mut streams[2]).await, Err(Error::Reset(Reason::PROTOCOL_ERROR, By::Library)));
        raw.frame(DATA, 0, 7, b"before the head").await;
        assert_eq!(answer(&mut streams[3]).await, Err(Error::Reset(Reason::PROTOCOL_ERROR, By::Library)));
        raw.frame(PUSH_PROMISE, 4, 9, &[0, 0, 0, 2, 0x82]).await;
        assert_eq!(answer(&mut streams[4]).await, Err(Error::GoAway(Reason::PROTOCOL_ERROR, By::Library)));
        assert_eq!(ended.await.unwrap(), Err(Error::GoAway(Reason::PROTOCOL_ERROR, By::Library)));
    });
}

#[test]
fn a_connection_that_breaks_fails_its_streams_and_not_what_has_come() {
    run(async {
        let (mut send, mut raw, ended) = client(&[]).await;
        let (mut whole, mut cut) = (open(&mut send), open(&mut send));
        raw.frame(HEADERS, WHOLE, 1, &[0x88]).await;
        drop(raw);
        assert!(answer(&mut cut).await.unwrap_err().is_io());
        assert_eq!(answer(&mut whole).await, Ok(200));
        assert!(ended.await.unwrap().is_err());
        assert!(send.is_ready().is_err());
    });
}

#[test]
fn the_last_handle_ends_the_connection() {
    run(async {
        let (mut send, mut raw, ended) = client(&[]).await;
        let mut stream = open(&mut send);
        raw.until(HEADERS).await;
        drop(send);
        raw.lives().await;
        raw.frame(HEADERS, WHOLE, 1, &[0x88]).await;
        assert_eq!(answer(&mut stream).await, Ok(200));
        drop(stream);
        assert_eq!(raw.given_up().await, 0);
        assert_eq!(ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn interim_responses_come_before_the_answer() {
    run(async {
        let (mut send, mut raw, _ended) = client(&[]).await;
        let mut stream = open(&mut send);
        raw.frame(HEADERS, END_HEADERS, 1, &[0x08, 3, b'1', b'0', b'3']).await;
        raw.frame(HEADERS, WHOLE, 1, &[0x88]).await;
        let mut head = Head::default();
        assert!(poll_fn(|cx| stream.poll_informational(cx, &mut head)).await);
        assert_eq!(head.status, 103);
        assert!(!poll_fn(|cx| stream.poll_informational(cx, &mut head)).await);
        assert_eq!(answer(&mut stream).await, Ok(200));
    });
}
