//! Connections that may not live for ever: so many requests, so long.

use forebay_proto::envoy::config::core::v3::HttpProtocolOptions;
use forebay_proto::google::protobuf::{Duration, UInt32Value};

use super::backend::Backend;
use super::frames::{Frame, Frames, NOTICE};
use super::world::{World, to, until};

/// `drain` milliseconds are left to a client between being told and being cut off.
fn world(options: HttpProtocolOptions, drain: u32) -> World {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            conn.answer(request.path());
        }
    });
    let drain = Some(Duration { seconds: i64::from(drain / 1000), nanos: (drain % 1000 * 1_000_000) as i32 });
    to(&[backend.address])
        .manager(|m| (m.common_http_protocol_options, m.drain_timeout) = (Some(options), drain))
        .start()
}

#[test]
fn after_so_many_requests_the_client_is_told_to_go() {
    let most = HttpProtocolOptions {
        max_requests_per_connection: Some(UInt32Value { value: 3 }),
        ..Default::default()
    };
    let world = world(most, 20);
    let mut client = world.connect();
    for _ in 0..2 {
        assert_eq!(client.get("/").header("connection"), None);
    }
    assert_eq!(client.get("/").header("connection"), Some("close"));
    assert!(client.is_closed());

    let mut client = Frames::connect(world.address);
    for stream in [1, 3] {
        assert_eq!(client.asked("/"), [Frame::Head(stream), Frame::End(stream)]);
    }
    client.get("/");
    let mut frames = client.until(Frame::Closed);
    // The last word says which stream was the last one; its answer may come before or after.
    frames.retain(|frame| *frame != Frame::GoAway(5, 0));
    assert_eq!(frames, [NOTICE, Frame::Head(5), Frame::End(5), Frame::Closed]);
    assert_eq!(world.stat("http.ingress_http.downstream_cx_max_requests_reached"), 2);
}

fn longest() -> HttpProtocolOptions {
    let longest = Some(Duration { seconds: 0, nanos: 300_000_000 });
    HttpProtocolOptions { max_connection_duration: longest, ..Default::default() }
}

#[test]
fn after_so_long_an_idle_connection_ends() {
    let world = world(longest(), 20);
    let mut idle = world.connect();
    assert_eq!(idle.get("/").status, 200);
    let (mut silent, mut idle2) = (world.connect(), Frames::connect(world.address));
    assert!(idle.is_closed() && silent.is_closed());
    assert_eq!(idle2.until(Frame::Closed)[..2], [NOTICE, Frame::GoAway(0, 0)]);
    until("all three are counted", || {
        world.stat("http.ingress_http.downstream_cx_max_duration_reached") == 3
    });
}

#[test]
fn after_so_long_a_client_that_goes_on_asking_is_told_to_go() {
    let world = world(longest(), 60_000);
    let mut busy = world.connect();
    until("an answer says so", || busy.get("/").header("connection") == Some("close"));
    assert!(busy.is_closed());
}
