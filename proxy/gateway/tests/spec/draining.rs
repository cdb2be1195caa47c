//! Listeners that drain: `/drain_listeners` with its three words, and health checks that are failed. As Envoy 1.40 does it.

use std::net::TcpStream;
use std::time::Duration;

use forebay_gateway::Ramp;
use forebay_proto::envoy::config::core::v3::{Address, SocketAddress, address, socket_address};
use forebay_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager as Manager;
use forebay_proto::google::protobuf::Duration as ProtoDuration;

use super::backend::Backend;
use super::client::Client;
use super::frames::{Frame, Frames, NOTICE};
use super::world::{Setup, World, to, until};

/// `core.v3.TrafficDirection`.
const INBOUND: i32 = 1;
const OUTBOUND: i32 = 2;

const HOUR: Duration = Duration::from_secs(3600);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn setup() -> (Backend, Setup) {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            conn.answer(request.path());
        }
    });
    let setup = to(&[backend.address]);
    (backend, setup)
}

/// Whether an answer tells the client to go, and what the connection does then.
fn is_told(client: &mut Client) -> bool {
    let response = client.get("/");
    assert_eq!(response.status, 200);
    match response.header("connection") {
        Some(words) => {
            assert_eq!(words, "close");
            assert!(client.is_closed());
            true
        }
        None => false,
    }
}

/// The same over HTTP/2: whether a GOAWAY comes before the answer.
fn is_told_by_frames(client: &mut Frames) -> bool {
    let frames = client.asked("/");
    let head = frames.iter().position(|frame| matches!(frame, Frame::Head(_))).unwrap();
    frames[..head].contains(&NOTICE)
}

fn accepts(world: &World) -> bool {
    TcpStream::connect(world.address).is_ok()
}

/// Waits until the workers know.
fn told_from_now_on(world: &World) {
    until("answers tell clients to go", || is_told(&mut world.connect()));
}

#[test]
fn a_graceful_drain_tells_everybody_and_closes_the_listener_afterwards() {
    let (_backend, setup) = setup();
    let world = setup.drain(Ramp::Immediate, ms(4000)).start();
    let (mut old, mut old2) = (world.connect(), Frames::connect(world.address));
    assert!(!is_told(&mut old) && !is_told_by_frames(&mut old2));
    assert_eq!(world.admin("POST", "/drain_listeners?graceful"), "OK\n");
    // An HTTP/2 connection is told at once, and closes when the client has heard it.
    assert_eq!(old2.until(Frame::Closed)[..2], [NOTICE, Frame::GoAway(1, 0)]);
    assert!(is_told(&mut old));
    until("the listener closes", || !accepts(&world));
    assert_eq!(world.stat("listener_manager.listener_stopped"), 1);
    assert!(world.admin("GET", "/listeners").contains("gateway::"), "it is still configured");
    assert_eq!(world.admin("GET", "/ready"), "LIVE\n");
}

#[test]
fn a_client_of_http2_that_still_writes_after_the_last_goaway_is_not_reset() {
    let (_backend, setup) = setup();
    let patient = |m: &mut Manager| {
        m.delayed_close_timeout = Some(ProtoDuration { seconds: 3600, nanos: 0 });
    };
    let world = setup.drain(Ramp::Immediate, HOUR).manager(patient).start();
    let mut client = Frames::connect(world.address);
    assert!(!is_told_by_frames(&mut client));
    world.admin("POST", "/drain_listeners?graceful");
    assert_eq!(client.until(Frame::Closed)[..2], [NOTICE, Frame::GoAway(1, 0)]);
    assert!(client.goes_on_writing(), "the connection is read to its end");
    drop(client);
    until("it ends with its client", || world.stat("http.ingress_http.downstream_cx_active") == 0);
}

#[test]
fn connections_that_are_opened_during_a_drain_are_told_by_their_first_answer() {
    let (_backend, setup) = setup();
    let world = setup.drain(Ramp::Immediate, HOUR).start();
    world.admin("POST", "/drain_listeners?graceful");
    told_from_now_on(&world);
    let mut new = Frames::connect(world.address);
    assert!(is_told_by_frames(&mut new));
    assert_eq!(new.until(Frame::Closed)[0], Frame::GoAway(1, 0));
    // Streams that began before the notice was heard are served.
    let mut busy = Frames::connect(world.address);
    let streams = [busy.get("/1"), busy.get("/2"), busy.get("/3")];
    let frames = busy.until(Frame::Closed);
    assert!(streams.iter().all(|stream| frames.contains(&Frame::End(*stream))), "{frames:?}");
    assert_eq!(frames[0], NOTICE);
    assert!(world.stat("http.ingress_http.downstream_cx_drain_close") >= 3);
}

#[test]
fn without_grace_the_listener_closes_at_once_and_its_connections_live_on() {
    let backend = Backend::start(|mut conn| {
        while let Some(request) = conn.request() {
            std::thread::sleep(ms(300));
            conn.answer(request.path());
        }
    });
    let world = to(&[backend.address]).drain(Ramp::Immediate, HOUR).start();
    let (mut idle, mut busy) = (world.connect(), world.connect());
    assert!(!is_told(&mut idle));
    busy.send("GET /busy HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it is with the endpoint", || backend.requests().len() == 2);
    world.admin("POST", "/drain_listeners");
    until("the listener closes", || !accepts(&world));
    let response = busy.response();
    assert_eq!((response.text(), response.header("connection")), ("/busy", Some("close")));
    assert!(is_told(&mut idle), "one without a request is not closed: one may be on its way");
}

#[test]
fn skip_exit_never_closes_the_listener_with_or_without_grace() {
    for query in ["skip_exit", "graceful&skip_exit"] {
        let (_backend, setup) = setup();
        let world = setup.drain(Ramp::Immediate, ms(50)).start();
        world.admin("POST", &format!("/drain_listeners?{query}"));
        told_from_now_on(&world);
        std::thread::sleep(ms(200));
        assert!(accepts(&world) && is_told(&mut world.connect()), "{query}");
        // What drains is not drained anew; to stop accepting is another thing.
        world.admin("POST", "/drain_listeners?graceful");
        std::thread::sleep(ms(200));
        assert!(accepts(&world), "{query}");
        world.admin("POST", "/drain_listeners");
        until("the listener closes", || !accepts(&world));
    }
}

#[test]
fn inboundonly_leaves_other_listeners_alone_until_they_are_asked_for() {
    let (_backend, inbound) = setup();
    let inbound = inbound.drain(Ramp::Immediate, ms(50)).listener(|l| l.traffic_direction = INBOUND).start();
    inbound.admin("POST", "/drain_listeners?graceful&inboundonly");
    until("the listener closes", || !accepts(&inbound));

    for direction in [OUTBOUND, 0] {
        let (_backend, other) = setup();
        let other =
            other.drain(Ramp::Immediate, ms(50)).listener(move |l| l.traffic_direction = direction).start();
        let mut old = Frames::connect(other.address);
        assert!(!is_told_by_frames(&mut old));
        other.admin("POST", "/drain_listeners?inboundonly");
        other.admin("POST", "/drain_listeners?graceful&inboundonly");
        std::thread::sleep(ms(200));
        assert!(!is_told(&mut other.connect()) && !is_told_by_frames(&mut old));
        other.admin("POST", "/drain_listeners?graceful");
        assert_eq!(old.until(Frame::Closed)[0], NOTICE);
        until("the listener closes", || !accepts(&other));
    }
}

#[test]
fn a_gradual_drain_tells_nobody_in_its_first_moment_and_idle_ones_near_its_end() {
    let (_backend, gradual) = setup();
    let world = gradual.drain(Ramp::Gradual, HOUR).start();
    let (mut one, mut two) = (world.connect(), Frames::connect(world.address));
    assert!(!is_told(&mut one) && !is_told_by_frames(&mut two));
    world.admin("POST", "/drain_listeners?graceful");
    std::thread::sleep(ms(100));
    assert!(!is_told(&mut one) && !is_told_by_frames(&mut two), "one in thirty thousand");

    for ramp in [Ramp::Gradual, Ramp::Immediate] {
        let (_backend, short) = setup();
        let world = short
            .drain(ramp, ms(900))
            .manager(|m| m.drain_timeout = Some(ProtoDuration { seconds: 0, nanos: 50_000_000 }))
            .start();
        let (mut idle, mut silent) = (world.connect(), world.connect());
        assert!(!is_told(&mut idle));
        let mut idle2 = Frames::connect(world.address);
        assert!(!is_told_by_frames(&mut idle2));
        until("all are there", || world.stat("http.ingress_http.downstream_cx_active") == 3);
        world.admin("POST", "/drain_listeners?skip_exit");
        assert!(idle.is_closed() && silent.is_closed());
        assert_eq!(idle2.until(Frame::Closed)[0], NOTICE);
    }
}

#[test]
fn who_fails_health_checks_tells_clients_to_go_unless_the_listener_says_otherwise() {
    let (_backend, plain) = setup();
    let world = plain.start();
    let mut old = Frames::connect(world.address);
    assert!(!is_told_by_frames(&mut old));
    world.admin("POST", "/healthcheck/fail");
    assert!(is_told(&mut world.connect()) && is_told_by_frames(&mut old));
    assert!(is_told_by_frames(&mut Frames::connect(world.address)));
    world.admin("POST", "/healthcheck/ok");
    assert!(!is_told(&mut world.connect()) && !is_told_by_frames(&mut Frames::connect(world.address)));

    // `drain_type: MODIFY_ONLY`.
    let (_backend, quiet) = setup();
    let world = quiet.drain(Ramp::Immediate, HOUR).listener(|l| l.drain_type = 1).start();
    world.admin("POST", "/healthcheck/fail");
    assert!(!is_told(&mut world.connect()));
    world.admin("POST", "/drain_listeners?graceful");
    told_from_now_on(&world);
}

#[test]
fn a_listener_that_comes_after_all_were_stopped_is_not_listened_on() {
    let (_backend, setup) = setup();
    let world = setup.drain(Ramp::Immediate, HOUR).start();
    world.admin("POST", "/drain_listeners");
    until("the listener closes", || !accepts(&world));
    let before = world.admin("GET", "/listeners");
    world.set_listener(|l| {
        let elsewhere = SocketAddress {
            address: "127.0.0.2".to_owned(),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(0)),
            ..Default::default()
        };
        l.address = Some(Address { address: Some(address::Address::SocketAddress(elsewhere)) });
    });
    assert_eq!(world.admin("GET", "/listeners"), before);
    assert!(!accepts(&world));
}
