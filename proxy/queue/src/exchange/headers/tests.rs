use super::*;
use crate::request_log::From;

/// serving: `pkg/queue/forwarded_shim_test.go`.
#[test]
fn forwarded_is_the_references() {
    for (chain, proto, host, expected) in [
        ("127.0.0.1, ::1", "p", "h", "for=127.0.0.1;host=h;proto=p, for=\"[::1]\""),
        (",,,", "", "", "for=, for=, for="),
        ("n1", "", "", "for=n1"),
        ("n1, n2", "", "", "for=n1, for=n2"),
        ("", "p", "", "proto=p"),
        ("", "", "h", "host=h"),
        ("", "p", "h", "host=h;proto=p"),
        ("n1", "p", "", "for=n1;proto=p"),
        ("::1", "", "h", "for=\"[::1]\";host=h"),
    ] {
        let mut out = Vec::new();
        shim(chain.as_bytes(), proto.as_bytes(), host.as_bytes(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{chain:?} {proto:?} {host:?}");
    }
}

fn asked(fields: &[(&str, &str)]) -> Exchange {
    let mut x = Exchange::default();
    x.req.set_request(b"GET", b"/", b"inner");
    for (name, value) in fields {
        x.req.push(name.as_bytes(), value.as_bytes());
    }
    x
}

fn outcome(mut x: Exchange) -> Vec<(String, String)> {
    let remote = SocketAddr::from(([10, 0, 0, 7], 1234));
    forwarded(&mut x);
    host(&mut x.req);
    outgoing(
        &mut x,
        &Peer { from: From { remote, secure: None }, text: "10.0.0.7".into() },
        SocketAddr::from(([127, 0, 0, 1], 8080)),
    );
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all: Vec<_> = x.req.iter().map(|(name, value, _)| (text(name), text(value))).collect();
    all.push((":authority".into(), text(x.req.authority())));
    all.sort();
    all
}

#[test]
fn the_peer_joins_the_chain_and_what_is_knatives_stays_out() {
    let all = outcome(asked(&[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("knative-serving-revision", "r"),
        ("knative-serving-namespace", "n"),
        ("k-original-host", "outer"),
        ("k-proxy-request", "activator"),
        ("k-network-hash", "abc"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "1"),
        ("proxy-authorization", "secret"),
        ("te", "trailers, deflate"),
    ]));
    let expected = [
        (":authority", "outer"),
        ("forwarded", "for=1.1.1.1"),
        ("k-network-hash", "abc"),
        ("k-proxy-request", "activator"),
        ("te", "trailers"),
        ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.7"),
    ];
    assert_eq!(all, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn an_upgrade_is_asked_for_anew_whatever_it_is_to() {
    let mut x = asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
    x.asked.upgrade = true;
    let all = outcome(x);
    assert!(all.contains(&("connection".into(), "Upgrade".into())), "{all:?}");
    assert!(all.contains(&("upgrade".into(), "websocket".into())), "{all:?}");
    let mut x =
        asked(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAA")]);
    x.asked.upgrade = true;
    let all = outcome(x);
    assert!(all.contains(&("connection".into(), "Upgrade".into())), "{all:?}");
    assert!(all.contains(&("upgrade".into(), "h2c".into())), "{all:?}");
    assert!(!all.iter().any(|(name, _)| name == "http2-settings"), "{all:?}");
}
