//! What `/config_dump` can tell.

use forebay_model::State;
use forebay_proto::envoy::config::cluster::v3::Cluster;
use prost::Message;

use crate::build::{address, body, eds, fixed, host, listener, revision, routes, vhds};
use crate::world::World;

fn dump(world: &World) -> Vec<String> {
    let line = |dumped: forebay_model::Dumped| {
        let kind = dumped.type_url.rsplit('.').next().unwrap().to_owned();
        let state = match dumped.state {
            State::Acked => "acked".to_owned(),
            State::Nacked { version, message, .. } => format!("nacked {version}: {message}"),
            State::Warming(reason) => reason,
        };
        format!("{kind} {} {state}", dumped.name)
    };
    world.model.dump().into_iter().map(line).collect()
}

#[test]
fn every_resource_with_how_it_stands() {
    let mut world = World::new();
    world.accept(&fixed("static", &[("10.0.0.1", 80)]));
    world.accept(&eds("cold"));
    world.accept(&listener("http", "services"));
    world.refuse(&Cluster { name: "broken".to_owned(), ..fixed("broken", &[("10.0.0.1", 0)]) });
    assert_eq!(
        dump(&world),
        [
            "Cluster broken nacked 1: load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value: 0 is not a port",
            "Cluster cold waits for endpoints \"cold\"",
            "Cluster static acked",
            "Listener http waits for route configuration \"services\"",
        ]
    );
    world.accept(&vhds("services"));
    world.accept(&host("services/x", &["x.test"], "static"));
    world.accept(&fixed("broken", &[("10.0.0.1", 80)]));
    world.remove::<Cluster>("cold");
    assert_eq!(
        dump(&world),
        [
            "Cluster broken acked",
            "Cluster static acked",
            "Listener http acked",
            "RouteConfiguration services acked",
            "VirtualHost services/x acked",
        ]
    );
}

#[test]
fn the_bytes_are_those_in_force_as_they_came() {
    let mut world = World::new();
    let good = revision("a", 1);
    world.accept(&good);
    world.accept(&crate::build::assignment("a", &[]));
    let mut bad = good.clone();
    bad.metadata.as_mut().unwrap().filter_metadata.get_mut("forebay.revision").unwrap().fields.clear();
    world.refuse(&bad);
    let dumped = world.model.dump().into_iter().find(|dumped| &*dumped.name == "a").unwrap();
    assert_eq!(Cluster::decode(dumped.bytes).unwrap(), good);
    let State::Nacked { bytes, .. } = dumped.state else { panic!("{:?}", dumped.state) };
    assert_eq!(Cluster::decode(bytes).unwrap(), bad);
}

#[test]
fn a_new_version_that_waits_stands_beside_the_one_in_force() {
    let mut world = World::new();
    world.accept(&listener("http", "one"));
    world.accept(&routes("one", vec![]));
    let mut next = listener("http", "two");
    next.address = address("127.0.0.1", 9090);
    world.accept(&next);
    assert_eq!(
        dump(&world),
        [
            "Listener http acked",
            "Listener http waits for route configuration \"two\"",
            "RouteConfiguration one acked",
        ]
    );
}

#[test]
fn a_refusal_is_told_as_new_once_and_stays_beside_what_is_in_force() {
    let mut world = World::new();
    world.accept(&fixed("a", &[("10.0.0.1", 80)]));
    let bad = body(&fixed("a", &[("10.0.0.1", 0)]));
    let mut put = |version| {
        let resource = forebay_model::Resource { name: "a", version, body: &bad };
        let applied = world.model.apply(forebay_proto::type_url::CLUSTER, false, &[resource], &[], world.now);
        applied.rejected.into_iter().map(|rejected| rejected.again).collect::<Vec<_>>()
    };
    assert_eq!((put("7"), put("7"), put("8")), (vec![false], vec![true], vec![false]));
    world.accept(&fixed("a", &[("10.0.0.2", 80)]));
    // The stream has refused a second one of that name, which the first does not make good.
    let twice = "appears twice in one response";
    world.model.refused(forebay_proto::type_url::CLUSTER, "a", twice, world.now);
    assert_eq!(dump(&world), [format!("Cluster a nacked : {twice}")]);
    assert_eq!(world.addresses("a"), ["10.0.0.2:80"], "what was taken is in force");
    world.accept(&fixed("a", &[("10.0.0.3", 80)]));
    assert_eq!(dump(&world), ["Cluster a acked"]);
}
