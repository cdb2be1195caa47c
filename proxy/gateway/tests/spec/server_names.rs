//! TLS chains chosen by name: who is served, by which certificate, in which protocol, and who is not.

use std::io::{Read, Write};
use std::sync::Arc;

use super::backend::Backend;
use super::pki::{self, Authority, Tls, chains, context};
use super::world::{self, until};

fn get(tls: &mut Tls, host: &str) -> String {
    write!(tls, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut all = String::new();
    tls.read_to_string(&mut all).unwrap();
    all
}

/// The first name of the certificate that was shown.
fn shown(tls: &Tls) -> Vec<u8> {
    tls.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn each_name_has_its_certificate_and_the_backend_hears_of_https() {
    let authority = Authority::new();
    let (a, b) = (authority.sign(&["a.test"]), authority.sign(&["*.b.test"]));
    let backend = Backend::echoing_path();
    let world = world::to(&[backend.address])
        .listener(move |listener| {
            chains(listener, &[(&["a.test"], context(&a)), (&["*.b.test"], context(&b))]);
        })
        .start();
    let config = Arc::new(authority.client(&["http/1.1"], None));
    let mut a = pki::connect(world.address, &config, "a.test").unwrap();
    assert_eq!(a.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut b = pki::connect(world.address, &config, "x.b.test").unwrap();
    assert_ne!(shown(&a), shown(&b));
    let said = get(&mut a, "a.test");
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert_eq!(backend.request().header("x-forwarded-proto"), Some("https"));
    assert!(get(&mut b, "x.b.test").starts_with("HTTP/1.1 200 "));
    let listener = world.listener();
    assert_eq!(world.stat(&format!("{listener}.ssl.handshake")), 2);
    assert_eq!(world.stat(&format!("{listener}.ssl.no_certificate")), 2);
    assert_eq!(world.stat("http.ingress_http.downstream_cx_ssl_total"), 2);
}

#[test]
fn an_unknown_name_and_none_at_all_are_closed_without_a_word() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.test"]);
    let world =
        world::to(&[]).listener(move |listener| chains(listener, &[(&["a.test"], context(&pair))])).start();
    let config = Arc::new(authority.client(&[], None));
    for name in ["b.test", "192.0.2.1"] {
        let refused = pki::connect(world.address, &config, name).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::UnexpectedEof, "{name}: no alert, just the end");
    }
    let mut plain = world.connect();
    assert!(plain.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").is_closed(), "nor is plain HTTP answered");
    let mut garbage = world.connect();
    assert!(garbage.send(b"\x00\xff\x16\x03\x01 binary").is_closed());
    drop(world.connect());
    let left = format!("{}.downstream_listener_filter_remote_close", world.listener());
    until("one that only knocked is counted as that", || world.stat(&left) == 1);
    let stat = format!("{}.no_filter_chain_match", world.listener());
    until("all four are counted", || world.stat(&stat) == 4);
}

#[test]
fn without_names_every_client_is_served_by_the_one_certificate() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.test"]);
    let backend = Backend::echoing_path();
    let world = world::to(&[backend.address])
        .listener(move |listener| chains(listener, &[(&[], context(&pair))]))
        .start();
    let mut config = authority.client(&["http/1.1"], None);
    config.enable_sni = false;
    let mut tls = pki::connect(world.address, &Arc::new(config), "a.test").unwrap();
    assert!(get(&mut tls, "a.test").starts_with("HTTP/1.1 200 "));
    let mut plain = world.connect();
    assert!(plain.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").is_closed(), "plain HTTP at a TLS port");
    let mut broken = world.connect();
    broken.send(b"\x16\x03\x01\x00\x04\x05\x00\x00\x00");
    assert_eq!(broken.rest().unwrap()[0], 21, "a handshake that is none gets an alert");
}

#[test]
fn protocols_are_agreed_upon_and_a_stranger_goes_without() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.test"]);
    let backend = Backend::echoing_path();
    let world = world::to(&[backend.address])
        .listener(move |listener| chains(listener, &[(&["a.test"], context(&pair))]))
        .start();
    let connect = |alpn: &[&str]| {
        pki::connect(world.address, &Arc::new(authority.client(alpn, None)), "a.test").unwrap()
    };
    let mut h2 = connect(&["http/1.1", "h2"]);
    assert_eq!(h2.conn.alpn_protocol(), Some(&b"h2"[..]), "the listener's order counts");
    h2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut settings = [0; 9];
    h2.read_exact(&mut settings).unwrap();
    assert_eq!(settings[3], 4, "a SETTINGS frame");
    for alpn in [&[][..], &["acme-tls/1"]] {
        let mut stranger = connect(alpn);
        assert_eq!(stranger.conn.alpn_protocol(), None);
        assert!(get(&mut stranger, "a.test").starts_with("HTTP/1.1 200 "), "{alpn:?}");
    }
    let mut unasked = connect(&[]);
    unasked.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    unasked.read_exact(&mut settings).unwrap();
    assert_eq!(settings[3], 4, "prior knowledge does without");
}

#[test]
fn plain_and_tls_share_a_port_by_their_transport() {
    let authority = Authority::new();
    let pair = authority.sign(&["a.test"]);
    let backend = Backend::echoing_path();
    let world = world::to(&[backend.address])
        .listener(move |listener| {
            let mut plain = listener.filter_chains[0].clone();
            chains(listener, &[(&[], context(&pair))]);
            let condition = plain.filter_chain_match.get_or_insert_default();
            condition.transport_protocol = "raw_buffer".to_owned();
            listener.filter_chains[0].filter_chain_match.as_mut().unwrap().transport_protocol =
                "tls".to_owned();
            listener.filter_chains.push(plain);
        })
        .start();
    let mut tls = pki::connect(world.address, &Arc::new(authority.client(&[], None)), "a.test").unwrap();
    assert!(get(&mut tls, "a.test").starts_with("HTTP/1.1 200 "));
    assert_eq!(world.connect().get("/").status, 200);
    let schemes: Vec<_> =
        backend.requests().iter().map(|r| r.header("x-forwarded-proto").unwrap().to_owned()).collect();
    assert_eq!(schemes, ["https", "http"]);
}
