//! The TLS handshake: who is turned away and how that is counted, who is not waited for, and what a change of certificates
//! leaves alone.

use std::io::{Read, Write};
use std::sync::Arc;

use forebay_proto::envoy::config::listener::v3 as l;
use forebay_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use forebay_proto::google::protobuf::{BoolValue, Duration};
use rustls::{HandshakeKind, version};

use super::backend::Backend;
use super::pki::{self, Authority, Pair, Tls, chains, context};
use super::world::{self, World, until};

fn get(tls: &mut Tls) -> u16 {
    tls.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
    let mut line = [0; 12];
    tls.read_exact(&mut line).unwrap();
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

/// Reads the rest of what has come of a small answer.
fn drain(tls: &mut Tls) -> String {
    let mut rest = vec![0; 4096];
    let n = tls.read(&mut rest).unwrap();
    String::from_utf8_lossy(&rest[..n]).into_owned()
}

fn counted(world: &World, name: &str) -> u64 {
    world.stat(&format!("{}.{name}", world.listener()))
}

fn milliseconds(n: i32) -> Option<Duration> {
    Some(Duration { seconds: 0, nanos: n * 1_000_000 })
}

/// `a.test` behind this certificate, in front of a backend.
fn serving(
    pair: &Pair,
    change: impl Fn(&mut l::Listener, &mut tls::DownstreamTlsContext) + Send + Sync + 'static,
) -> World {
    let pair = pair.clone();
    world::to(&[Backend::echoing_path().address])
        .listener(move |listener| {
            let mut context = context(&pair);
            change(listener, &mut context);
            chains(listener, &[(&["a.test"], context)]);
        })
        .start()
}

#[test]
fn a_client_that_stops_half_way_is_not_waited_for() {
    let authority = Authority::new();
    let world = serving(&authority.sign(&["a.test"]), |listener, _| {
        listener.listener_filters_timeout = milliseconds(150);
        listener.filter_chains[0].transport_socket_connect_timeout = milliseconds(150);
    });
    let config = Arc::new(authority.client(&[], None));
    let mut session = rustls::ClientConnection::new(config.clone(), "a.test".try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut half = world.connect();
    half.send(&hello[..hello.len() / 2]);
    let mut silent = world.connect();
    let mut unfinished = world.connect();
    unfinished.send(&hello);
    let mut fine = pki::connect(world.address, &config, "a.test").unwrap();
    assert_eq!(get(&mut fine), 200);
    assert!(half.is_closed() && silent.is_closed());
    assert!(unfinished.rest().unwrap().starts_with(&[22]), "it was answered, and then closed");
    until("the first two are counted", || counted(&world, "downstream_pre_cx_timeout") == 2);
    let late = "downstream_cx_transport_socket_connect_timeout";
    until("the third is counted", || counted(&world, late) == 1);
    drain(&mut fine);
    assert_eq!(get(&mut fine), 200, "nobody else has noticed");
    assert_eq!(counted(&world, "downstream_pre_cx_active"), 0);
}

#[test]
fn clients_without_a_good_certificate_are_turned_away() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let believed = authority.pem.clone();
    let world = serving(&authority.sign(&["a.test"]), move |_, context| {
        context.require_client_certificate = Some(BoolValue { value: true });
        let validation = tls::CertificateValidationContext {
            trusted_ca: pki::inline(&believed),
            match_typed_subject_alt_names: vec![tls::SubjectAltNameMatcher {
                san_type: tls::subject_alt_name_matcher::SanType::Dns as i32,
                matcher: Some(exact("client.test")),
                ..Default::default()
            }],
            ..Default::default()
        };
        let common = context.common_tls_context.as_mut().unwrap();
        common.validation_context_type =
            Some(tls::common_tls_context::ValidationContextType::ValidationContext(validation));
    });
    let try_as = |own: Option<&Pair>| {
        let mut config = authority.client(&[], own);
        config.resumption = rustls::client::Resumption::disabled();
        let mut tls = pki::connect(world.address, &Arc::new(config), "a.test")?;
        // In TLS 1.3 the client is done before the server has judged it.
        tls.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")?;
        let mut byte = [0; 12];
        tls.read_exact(&mut byte)
    };
    assert!(try_as(None).is_err());
    assert!(try_as(Some(&stranger.sign(&["client.test"]))).is_err());
    assert!(try_as(Some(&authority.sign(&["other.test"]))).is_err());
    assert!(try_as(Some(&authority.sign(&["client.test"]))).is_ok());
    for (name, times) in [
        ("ssl.fail_verify_no_cert", 1),
        ("ssl.fail_verify_error", 1),
        ("ssl.fail_verify_san", 1),
        ("ssl.connection_error", 0),
        ("ssl.handshake", 1),
        ("ssl.no_certificate", 0),
    ] {
        until(name, || counted(&world, name) == times);
    }
}

fn exact(text: &str) -> forebay_proto::envoy::r#type::matcher::v3::StringMatcher {
    use forebay_proto::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
    StringMatcher { match_pattern: Some(MatchPattern::Exact(text.to_owned())), ..Default::default() }
}

#[test]
fn versions_and_ciphers_are_the_chains_own() {
    let authority = Authority::new();
    let world = serving(&authority.sign(&["a.test"]), |_, context| {
        let params = context.common_tls_context.as_mut().unwrap().tls_params.as_mut().unwrap();
        params.tls_maximum_protocol_version = tls::tls_parameters::TlsProtocol::TlSv12 as i32;
        params.cipher_suites =
            vec!["[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-ECDSA-CHACHA20-POLY1305]".to_owned()];
    });
    let agreed = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(pki::provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = pki::connect(world.address, &Arc::new(config), "a.test")?;
        Ok::<_, std::io::Error>(tls.conn.negotiated_cipher_suite().unwrap().suite())
    };
    assert_eq!(
        agreed(&[&version::TLS12, &version::TLS13]).unwrap(),
        rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    );
    let refused = agreed(&[&version::TLS13]).unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "the alert says it: {refused}");
    let mut ancient = world.connect();
    // TLS 1.1, one cipher, and the name.
    let name = b"\0\0\0\x0b\0\x09\0\0\x06a.test";
    let hello = [&b"\x03\x02"[..], &[7; 32], b"\0\0\x02\x00\x2f\x01\0\0\x0f", name].concat();
    let length = hello.len() as u8;
    ancient.send([&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat());
    assert_eq!(ancient.rest().unwrap(), [21, 3, 1, 0, 2, 2, 70], "protocol_version, as by Envoy");
    until("both are counted", || counted(&world, "ssl.connection_error") == 2);
    assert_eq!(counted(&world, "ssl.versions.TLSv1.2"), 1);
}

#[test]
fn a_new_certificate_leaves_sessions_and_other_chains_alone() {
    let authority = Authority::new();
    let (old, new, other) =
        (authority.sign(&["a.test"]), authority.sign(&["a.test"]), authority.sign(&["b.test"]));
    let (first, kept) = (old.clone(), other.clone());
    let world = world::to(&[Backend::echoing_path().address])
        .workers(2)
        .listener(move |listener| {
            chains(listener, &[(&["a.test"], context(&first)), (&["b.test"], context(&kept))]);
        })
        .start();
    let config = Arc::new(authority.client(&[], None));
    let shown = |tls: &Tls| tls.conn.peer_certificates().unwrap()[0].to_vec();
    let mut before = pki::connect(world.address, &config, "a.test").unwrap();
    assert_eq!(get(&mut before), 200);
    drain(&mut before);
    let mut ticket = pki::connect(world.address, &config, "b.test").unwrap();
    assert_eq!(get(&mut ticket), 200, "and with the answer the session's tickets have come");

    world.set_listener(|listener| {
        chains(listener, &[(&["b.test"], context(&other)), (&["a.test"], context(&new))]);
    });
    let fresh = Arc::new(authority.client(&[], None));
    until("the new certificate is shown", || {
        shown(&pki::connect(world.address, &fresh, "a.test").unwrap()) != shown(&before)
    });
    assert_eq!(get(&mut before), 200, "the session goes on");
    drop(ticket);
    let again = pki::connect(world.address, &config, "b.test").unwrap();
    assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Resumed), "on whichever worker");

    world.set_listener(|listener| chains(listener, &[(&["b.test"], context(&other))]));
    until("the chain is gone", || pki::connect(world.address, &config, "a.test").is_err());
    drain(&mut before);
    assert_eq!(get(&mut before), 200, "and even so the session goes on");
    assert!(drain(&mut before).contains("connection: close"), "but not for long");
}

#[test]
fn a_certificate_that_does_not_match_its_key_changes_nothing() {
    let authority = Authority::new();
    let (good, other) = (authority.sign(&["a.test"]), authority.sign(&["a.test"]));
    let world = serving(&good, |_, _| {});
    let wrong = Pair { chain: good.chain.clone(), key: other.key };
    world.set_listener(|listener| chains(listener, &[(&["a.test"], context(&wrong))]));
    let dump = world.admin("GET", "/config_dump");
    let why = "filter_chains[0].transport_socket.typed_config.common_tls_context.tls_certificates[0]: \
               the private key does not match the certificate";
    assert!(dump.contains(why), "{dump}");
    let config = Arc::new(authority.client(&[], None));
    assert_eq!(get(&mut pki::connect(world.address, &config, "a.test").unwrap()), 200);
}
