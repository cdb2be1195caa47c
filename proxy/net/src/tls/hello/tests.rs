use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// What a client of the library sends first.
fn hello(name: &str, alpn: &[&[u8]]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

fn said(name: Option<&str>, alpn: &[&[u8]]) -> Look {
    let alpn = alpn.iter().map(|p| (*p).into()).collect();
    Look::Hello(Hello { server_name: name.map(Into::into), alpn, newest: 0x0304, likes_chacha: false })
}

#[test]
fn the_name_and_the_protocols_are_found() {
    assert_eq!(
        look(&hello("Shop.Example.COM", &[b"h2", b"http/1.1"])),
        said(Some("shop.example.com"), &[b"h2", b"http/1.1"])
    );
    assert_eq!(look(&hello("192.0.2.1", &[])), said(None, &[]), "an address is no name");
}

#[test]
fn every_beginning_wants_more_and_what_follows_does_not_matter() {
    let mut bytes = hello("a.test", &[b"h2"]);
    for n in 0..bytes.len() {
        assert_eq!(look(&bytes[..n]), Look::More, "the first {n} bytes");
    }
    bytes.extend_from_slice(b"\x14\x03\x03\x00\x01\x01");
    assert_eq!(look(&bytes), said(Some("a.test"), &[b"h2"]));
}

#[test]
fn a_hello_in_several_records_is_one() {
    let bytes = hello("a.test", &[]);
    let mut records = Vec::new();
    for piece in bytes[5..].chunks(7) {
        records.extend_from_slice(&[22, 3, 1, 0, piece.len() as u8]);
        records.extend_from_slice(piece);
    }
    assert_eq!(look(&records), said(Some("a.test"), &[]));
}

#[test]
fn what_is_no_hello_is_known_by_its_first_wrong_byte() {
    for other in
        [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0", b"PROXY TCP4", b"\x80\x2e\x01\x03\x01", b"\x16\x02"]
    {
        assert_eq!(look(other), Look::NotTls, "{other:?}");
    }
    assert_eq!(look(b"\x17\x03\x03\x00\x10"), Look::NotTls, "data before a handshake");
    assert_eq!(look(b"\x16\x03\x01\x00\x00"), Look::NotTls, "an empty record");
    assert_eq!(look(b"\x16\x03\x01\xff\xff"), Look::NotTls, "a record that is too long");
    assert_eq!(look(b"\x16\x03\x01\x00\x04\x02"), Look::NotTls, "a ServerHello");
    assert_eq!(look(b"\x16\x03\x01\x00\x04\x01\x01\x00\x00"), Look::NotTls, "a hello of 64 KiB");
    let lie = |extensions: u8| {
        // TLS 1.1, one cipher, and the name `a.test` in a list of extensions that says it is so long.
        let name = b"\0\0\0\x0b\0\x09\0\0\x06a.test";
        let said = [&b"\x03\x02"[..], &[7; 32], b"\0\0\x02\x00\x2f\x01\0\0", &[extensions], name].concat();
        let length = said.len() as u8;
        look(&[&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &said].concat())
    };
    assert!(matches!(lie(15), Look::Hello(hello) if hello.newest == 0x0302 && hello.server_name.is_some()));
    assert_eq!(lie(16), Look::NotTls, "a length that lies");
    assert_eq!(lie(14), Look::NotTls, "a length that lies");
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..300) {
        let _ = look(&bytes);
        let mut good = hello("a.test", &[b"h2"]);
        let at = at.min(good.len());
        good.splice(at..at, bytes);
        let _ = look(&good);
    }
}
