use super::*;

fn names(names: &[&str]) -> ChainMatch {
    ChainMatch { server_names: names.iter().map(|name| (*name).into()).collect(), ..ChainMatch::default() }
}

fn prefix(text: &str) -> Prefix {
    let (address, bits) = text.split_once('/').unwrap();
    Prefix::new(address.parse().unwrap(), bits.parse().unwrap()).unwrap()
}

fn choice(chains: &[ChainMatch]) -> Chains {
    let mut choice = Chains::default();
    for (place, chain) in chains.iter().enumerate() {
        choice.add(place, chain).unwrap();
    }
    choice
}

/// TLS from 192.0.2.9:1000 to 198.51.100.1:443.
fn arrival(server_name: Option<&str>) -> Arrival<'_> {
    Arrival {
        destination: "198.51.100.1:443".parse().unwrap(),
        server_name,
        tls: true,
        application_protocols: &[],
        direct_source: "192.0.2.9".parse().unwrap(),
        source: "192.0.2.9:1000".parse().unwrap(),
    }
}

#[test]
fn the_name_comes_before_the_longest_wildcard_before_any() {
    let chains = choice(&[
        names(&["a.example.com"]),
        names(&["*.example.com"]),
        names(&["*.com", "b.test"]),
        names(&[]),
    ]);
    for (name, place) in [
        (Some("a.example.com"), 0),
        (Some("b.example.com"), 1),
        (Some("c.b.example.com"), 1),
        (Some("example.com"), 2),
        (Some("b.test"), 2),
        (Some("a.b.test"), 3),
        (Some("com"), 3),
        (None, 3),
    ] {
        assert_eq!(chains.find(&arrival(name)), Some(place), "{name:?}");
    }
    let strict = choice(&[names(&["a.test"])]);
    assert_eq!(strict.find(&arrival(Some("b.test"))), None, "nobody else's");
    assert_eq!(strict.find(&arrival(None)), None);
}

#[test]
fn there_is_no_way_back_from_a_better_name() {
    let plain = ChainMatch { transport_protocol: Some("raw_buffer".into()), ..names(&["a.test"]) };
    let chains = choice(&[plain, names(&[])]);
    assert_eq!(
        chains.find(&arrival(Some("a.test"))),
        None,
        "the name is chosen before the transport is looked at"
    );
    assert_eq!(chains.find(&Arrival { tls: false, ..arrival(Some("a.test")) }), Some(0));
}

#[test]
fn ports_come_first_and_prefixes_by_their_length() {
    let port = |port| ChainMatch { destination_port: Some(port), ..ChainMatch::default() };
    let source = |text: &str| ChainMatch { source_prefixes: vec![prefix(text)], ..ChainMatch::default() };
    let chains =
        choice(&[port(443), port(80), source("192.0.2.0/24"), source("0.0.0.0/0"), source("192.0.2.9/32")]);
    let at = |port| Arrival { destination: format!("198.51.100.1:{port}").parse().unwrap(), ..arrival(None) };
    assert_eq!(chains.find(&at(443)), Some(0));
    assert_eq!(chains.find(&at(80)), Some(1));
    assert_eq!(chains.find(&at(81)), Some(4));
    let from = |source: &str| Arrival { source: source.parse().unwrap(), ..at(81) };
    assert_eq!(chains.find(&from("192.0.2.8:1")), Some(2));
    assert_eq!(chains.find(&from("[::ffff:192.0.2.8]:1")), Some(2), "IPv4 by an IPv6 socket");
    assert_eq!(chains.find(&from("203.0.113.1:1")), Some(3));
    assert_eq!(chains.find(&from("[2001:db8::1]:1")), None);
}

#[test]
fn protocols_are_taken_in_the_clients_order() {
    let offers =
        |text: &str| ChainMatch { application_protocols: vec![text.into()], ..ChainMatch::default() };
    let chains = choice(&[offers("h2"), offers("http/1.1"), names(&[])]);
    let protocols: [Box<[u8]>; 3] = [(*b"x").into(), (*b"http/1.1").into(), (*b"h2").into()];
    assert_eq!(chains.find(&Arrival { application_protocols: &protocols, ..arrival(None) }), Some(1));
    assert_eq!(chains.find(&Arrival { application_protocols: &protocols[2..], ..arrival(None) }), Some(0));
    assert_eq!(chains.find(&arrival(None)), Some(2));
}

#[test]
fn where_a_connection_comes_from_is_asked_last() {
    let kind = |kind| ChainMatch { source_type: kind, ..ChainMatch::default() };
    let ports = ChainMatch {
        source_ports: vec![1000, 1001],
        source_type: SourceType::External,
        ..ChainMatch::default()
    };
    let chains = choice(&[kind(SourceType::Local), ports, kind(SourceType::Any)]);
    let from = |source: &str| Arrival { source: source.parse().unwrap(), ..arrival(None) };
    assert_eq!(chains.find(&from("127.0.0.1:5")), Some(0));
    assert_eq!(chains.find(&from("198.51.100.1:5")), Some(0), "its own address");
    assert_eq!(chains.find(&from("192.0.2.1:1001")), Some(1));
    assert_eq!(chains.find(&from("192.0.2.1:5")), None, "no way back from a better type");
    let direct = ChainMatch { direct_source_prefixes: vec![prefix("10.0.0.0/8")], ..ChainMatch::default() };
    let chains = choice(&[direct, names(&[])]);
    assert_eq!(chains.find(&arrival(None)), Some(1));
    assert_eq!(
        chains.find(&Arrival { direct_source: "10.1.1.1".parse().unwrap(), ..arrival(None) }),
        Some(0)
    );
}

#[test]
fn two_chains_for_the_same_are_told_of() {
    let mut chains = choice(&[names(&["a.test", "b.test"])]);
    assert_eq!(chains.add(1, &names(&["c.test", "b.test"])), Err(Overlap { first: 0 }));
    let other = ChainMatch { transport_protocol: Some("tls".into()), ..names(&["b.test"]) };
    assert_eq!(chains.add(2, &other), Ok(()));
}
