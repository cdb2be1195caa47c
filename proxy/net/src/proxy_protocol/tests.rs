use proptest::prelude::*;

use super::*;

fn v1(line: &str) -> Look {
    look(line.as_bytes())
}

fn header(version: Version, length: usize, source: &str, destination: &str) -> Look {
    let origin =
        Origin::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
    Look::Header(Header { version, length, origin })
}

fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = BEGIN_V2.to_vec();
    bytes.extend_from_slice(&[command, family]);
    bytes.extend_from_slice(&(content.len() as u16).to_be_bytes());
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn a_line_says_both_ends() {
    let line = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET /";
    assert_eq!(v1(line), header(Version::V1, 45, "192.0.2.7:56324", "198.51.100.1:443"));
    let line = "PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n";
    assert_eq!(v1(line), header(Version::V1, line.len(), "[2001:db8::7]:1", "[2001:db8::1]:65535"));
    let Look::Header(unknown) = v1("PROXY UNKNOWN whatever it says\r\n") else { panic!("it is a header") };
    assert_eq!((unknown.origin, unknown.length), (Origin::Unknown, 32));
    assert!(matches!(v1("PROXY UNKNOWN\r\n"), Look::Header(_)));
}

#[test]
fn a_line_that_lies_is_refused() {
    for line in [
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 9\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        "PROXY \r\n",
    ] {
        assert_eq!(v1(line), Look::Invalid(Version::V1), "{line:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(120));
    assert_eq!(v1(&long), Look::Invalid(Version::V1), "107 bytes are the most");
    let most = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MOST_V1 - 16));
    assert!(matches!(v1(&most), Look::Header(Header { length: MOST_V1, .. })));
}

#[test]
fn the_binary_header_says_both_ends_and_its_extensions_are_stepped_over() {
    let mut content = vec![192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];
    content.extend_from_slice(b"\x04\x00\x02zz");
    let mut bytes = v2(0x21, 0x11, &content);
    let length = bytes.len();
    bytes.extend_from_slice(b"GET /");
    assert_eq!(look(&bytes), header(Version::V2, length, "192.0.2.7:56324", "198.51.100.1:443"));
    let mut content = [0; 36];
    (content[0], content[15], content[16], content[31], content[33], content[35]) = (0x20, 7, 0x20, 1, 9, 8);
    let bytes = v2(0x21, 0x21, &content);
    assert_eq!(look(&bytes), header(Version::V2, 52, "[2000::7]:9", "[2000::1]:8"));
}

#[test]
fn balancers_that_speak_for_themselves_or_for_nobody_known_are_heard() {
    let origin = |bytes: &[u8]| match look(bytes) {
        Look::Header(header) => header.origin,
        other => panic!("{other:?}"),
    };
    assert_eq!(origin(&v2(0x20, 0x00, b"")), Origin::Local);
    assert_eq!(origin(&v2(0x20, 0x11, &[0; 12])), Origin::Local, "addresses of LOCAL are nobody's");
    assert_eq!(origin(&v2(0x21, 0x00, b"abc")), Origin::Unknown);
    assert_eq!(origin(&v2(0x21, 0x31, &[0; 216])), Origin::Unknown, "a Unix socket");
}

#[test]
fn a_binary_header_that_lies_is_refused() {
    for (bytes, why) in [
        (v2(0x31, 0x11, &[0; 12]), "a version that there is not"),
        (v2(0x22, 0x11, &[0; 12]), "a command that there is not"),
        (v2(0x21, 0x12, &[0; 12]), "datagrams"),
        (v2(0x21, 0x11, &[0; 11]), "too short for its addresses"),
        (v2(0x21, 0x21, &[0; 35]), "too short for its addresses"),
        (v2(0x21, 0x11, &[0; MOST_V2 + 1]), "too long"),
    ] {
        assert_eq!(look(&bytes), Look::Invalid(Version::V2), "{why}");
    }
}

#[test]
fn every_beginning_wants_more_and_anything_else_is_none() {
    for whole in [b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n".to_vec(), v2(0x21, 0x11, &[1; 20])] {
        for n in 0..whole.len() {
            assert_eq!(look(&whole[..n]), Look::More, "the first {n} bytes");
        }
    }
    for other in [&b"GET / HTTP/1.1"[..], b"\x16\x03\x01", b"PROXYTCP4", b"PRI * HTTP", b"\r\n\r\n\r\n"] {
        assert_eq!(look(other), Look::Absent, "{other:?}");
    }
}

proptest! {
    #[test]
    fn a_header_is_never_longer_than_what_came(bytes in proptest::collection::vec(any::<u8>(), 0..300), v in 0usize..3) {
        let begin: &[u8] = [&b""[..], BEGIN_V1, BEGIN_V2][v];
        let bytes = [begin, &bytes].concat();
        if let Look::Header(header) = look(&bytes) {
            prop_assert!(header.length <= bytes.len());
        }
    }
}
