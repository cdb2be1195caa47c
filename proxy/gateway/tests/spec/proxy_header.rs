//! The PROXY protocol: clients are who the header says they are, and whoever lies or says nothing is closed and counted.

use std::sync::Arc;

use forebay_proto::envoy::config::core::v3::proxy_protocol_config::Version;
use forebay_proto::envoy::extensions::filters::listener::proxy_protocol::v3::ProxyProtocol;
use forebay_proto::google::protobuf::Duration;

use super::backend::Backend;
use super::pki::{self, Authority, chains, context};
use super::resources::listener_filter;
use super::world::{self, World, until};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";

fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend_from_slice(&[command, family]);
    bytes.extend_from_slice(&(content.len() as u16).to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

fn behind(backend: &Backend, filter: ProxyProtocol) -> World {
    world::to(&[backend.address])
        .listener(move |listener| {
            listener.listener_filters = vec![listener_filter(&filter)];
            listener.listener_filters_timeout = Some(Duration { seconds: 0, nanos: 200_000_000 });
        })
        .start()
}

fn counted(world: &World, name: &str) -> u64 {
    world.stat(&format!("{}.{name}", world.listener()))
}

#[test]
fn the_client_is_who_the_header_says() {
    let backend = Backend::echoing_path();
    let world = behind(&backend, ProxyProtocol::default());
    let content = [192, 0, 2, 8, 198, 51, 100, 1, 0, 80, 1, 0xbb, 4, 0, 2, 9, 9];
    let mut whole = world.connect();
    assert_eq!(whole.send(V1).send(REQUEST).response().status, 200, "header first");
    assert_eq!(whole.send(REQUEST).response().status, 200, "the next request has none");
    let mut split = world.connect();
    for byte in v2(0x21, 0x11, &content) {
        split.send([byte]);
    }
    assert_eq!(split.send(REQUEST).response().status, 200);
    let mut joined = world.connect();
    assert_eq!(joined.send([&v2(0x20, 0, b""), REQUEST.as_bytes()].concat()).response().status, 200);
    assert_eq!(joined.send(REQUEST).response().status, 200);
    let own = forebay_net::local_address();
    let from: Vec<_> =
        backend.requests().iter().map(|r| r.header("x-forwarded-for").unwrap().to_owned()).collect();
    assert_eq!(from, ["192.0.2.7", "192.0.2.7", "192.0.2.8", own, own]);
    assert_eq!(counted(&world, "proxy_proto.versions.v1.found"), 1);
    assert_eq!(counted(&world, "proxy_proto.versions.v2.found"), 2);
}

#[test]
fn without_a_header_with_a_long_one_or_a_lie_the_connection_is_closed() {
    let backend = Backend::echoing_path();
    let world = behind(&backend, ProxyProtocol::default());
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
    let most = v2(0x21, 0x11, &[0; 5000]);
    for bytes in [
        REQUEST.as_bytes(),
        b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        long.as_bytes(),
        &v2(0x21, 0x11, &[0; 3]),
        &v2(0x41, 0x11, &[0; 12]),
        &most,
        b"\x00\x01\x02\xff\xfe binary garbage",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        assert!(world.connect().send(bytes).is_closed(), "{:?}", String::from_utf8_lossy(bytes));
    }
    let mut slow = world.connect();
    assert!(slow.send("PROXY TCP4 192.").is_closed(), "it is not waited for");
    assert!(backend.requests().is_empty());
    until("all are counted", || {
        counted(&world, "proxy_proto.versions.v1.error") == 2
            && counted(&world, "proxy_proto.versions.v2.error") == 3
            && counted(&world, "proxy_proto.not_found_disallowed") == 3
            && counted(&world, "downstream_pre_cx_timeout") == 1
    });
    let mut after = world.connect();
    assert_eq!(after.send(V1).send(REQUEST).response().status, 200);
}

#[test]
fn a_header_may_be_optional_and_a_version_forbidden() {
    let backend = Backend::echoing_path();
    let optional = ProxyProtocol { allow_requests_without_proxy_protocol: true, ..ProxyProtocol::default() };
    let world = behind(&backend, optional);
    assert_eq!(world.connect().send(REQUEST).response().status, 200);
    assert_eq!(world.connect().send(V1).send(REQUEST).response().status, 200);
    let from: Vec<_> =
        backend.requests().iter().map(|r| r.header("x-forwarded-for").unwrap().to_owned()).collect();
    assert_eq!(from, [forebay_net::local_address(), "192.0.2.7"]);
    assert_eq!(counted(&world, "proxy_proto.not_found_allowed"), 1);

    let only2 = ProxyProtocol { disallowed_versions: vec![Version::V1 as i32], ..ProxyProtocol::default() };
    let world = behind(&backend, only2);
    assert!(world.connect().send(V1).is_closed());
    until("it is counted", || counted(&world, "proxy_proto.versions.v1.disallowed") == 1);
    assert_eq!(world.connect().send(v2(0x20, 0, b"")).send(REQUEST).response().status, 200);
}

#[test]
fn the_header_comes_before_tls() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.test"]);
    let backend = Backend::echoing_path();
    let world = world::to(&[backend.address])
        .listener(move |listener| {
            listener.listener_filters = vec![listener_filter(&ProxyProtocol::default())];
            chains(listener, &[(&["a.test"], context(&pair))]);
        })
        .start();
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let mut client = world.connect();
    client.send(V1);
    let mut tls = pki::secure(client.stream, &config, "a.test").unwrap();
    use std::io::{Read, Write};
    tls.write_all(REQUEST.as_bytes()).unwrap();
    let mut line = [0; 12];
    tls.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 200");
    assert_eq!(backend.request().header("x-forwarded-for"), Some("192.0.2.7"));
    assert!(pki::connect(world.address, &config, "a.test").is_err(), "a ClientHello is no header");
}
