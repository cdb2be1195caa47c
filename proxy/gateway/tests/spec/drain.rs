//! Ending: what is in flight ends well, nothing new begins.

use std::time::Duration;

use super::backend::Backend;
use super::frames::{Frame, Frames, NOTICE};
use super::h2c;
use super::world::{to, until};

fn slow() -> Backend {
    Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            std::thread::sleep(Duration::from_millis(200));
            conn.answer(request.path());
        }
    })
}

#[test]
fn a_request_in_flight_is_answered_and_its_connection_closed() {
    let backend = slow();
    let mut world = to(&[backend.address]).start();
    let mut idle = world.connect();
    idle.get("/first");
    let mut busy = world.connect();
    busy.send("GET /last HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it is with the endpoint", || backend.requests().len() == 2);
    let ended = world.shut_down(Duration::from_secs(5));
    assert!(idle.is_closed());
    let response = busy.response();
    assert_eq!((response.text(), response.header("connection")), ("/last", Some("close")));
    assert!(busy.is_closed());
    world.runtime.block_on(ended).unwrap();
    assert!(std::net::TcpStream::connect(world.address).is_err());
}

#[test]
fn what_takes_longer_than_the_grace_is_cut() {
    let backend = Backend::start(|mut conn| {
        conn.request();
        conn.request();
    });
    let mut world = to(&[backend.address]).start();
    let mut client = world.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it is with the endpoint", || backend.requests().len() == 1);
    let ended = world.shut_down(Duration::from_millis(50));
    world.runtime.block_on(ended).unwrap();
    assert!(client.try_response(false).is_err());
}

#[test]
fn http2_is_told_to_go_and_its_streams_end() {
    let backend = slow();
    let mut world = to(&[backend.address]).start();
    let (response, mut send) = world.runtime.block_on(async {
        let mut send = h2c::connect(world.address).await;
        let (response, _) = send.send_request(h2c::request("GET", "/last"), true).unwrap();
        (response, send)
    });
    until("it is with the endpoint", || backend.requests().len() == 1);
    let ended = world.shut_down(Duration::from_secs(5));
    world.runtime.block_on(async {
        assert_eq!(h2c::whole(response).await.unwrap().body, b"/last");
        let refused = std::future::poll_fn(|cx| send.poll_ready(cx)).await;
        assert!(refused.is_err() || send.send_request(h2c::request("GET", "/more"), true).is_err());
        ended.await.unwrap();
    });
}

#[test]
fn listeners_that_drain_do_not_fail_health_checks_and_failing_them_does() {
    let world = to(&[]).start();
    assert_eq!(world.admin("GET", "/ready"), "LIVE\n");
    assert_eq!(world.admin("POST", "/drain_listeners?graceful"), "OK\n");
    assert_eq!(world.admin("GET", "/ready"), "LIVE\n");
    world.admin("POST", "/healthcheck/fail");
    assert_eq!(world.admin("GET", "/ready"), "DRAINING\n");
}

#[test]
fn http2_is_told_so_by_a_goaway_frame_before_the_connection_closes() {
    let mut world = to(&[]).start();
    let mut client = Frames::connect(world.address);
    until("the connection is taken for HTTP/2", || {
        world.stat("http.ingress_http.downstream_cx_http2_active") == 1
    });
    let ended = world.shut_down(Duration::from_secs(5));
    assert_eq!(client.until(Frame::Closed)[0], NOTICE);
    world.runtime.block_on(ended).unwrap();
}
