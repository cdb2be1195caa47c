//! VHDS: hosts come and go one by one, and share the table they are in.

use std::sync::Arc;

use forebay_proto::envoy::config::cluster::v3::Cluster;
use forebay_proto::envoy::config::route::v3::{RouteConfiguration, VirtualHost};
use forebay_proto::type_url::VIRTUAL_HOST;

use crate::build::{fixed, host, listener, routes, vhds};
use crate::world::{World, interests};

fn with_vhds() -> World {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.accept(&fixed(name, &[("10.0.0.1", 80)]));
    }
    world.accept(&listener("http", "services"));
    let applied = world.accept(&vhds("services"));
    assert_eq!(interests(&applied, VIRTUAL_HOST), ["+services"]);
    world
}

#[test]
fn a_host_comes_changes_and_goes() {
    let mut world = with_vhds();
    assert_eq!(world.ask("services", "x.test"), "no route");
    world.accept(&host("services/x", &["x.test"], "a"));
    assert_eq!(world.ask("services", "x.test:8080"), "a");
    world.accept(&host("services/x", &["x.test", "y.test"], "b"));
    assert_eq!(world.ask("services", "Y.test"), "b");
    world.remove::<VirtualHost>("services/x");
    assert_eq!(world.ask("services", "x.test"), "no route");
}

#[test]
fn one_change_keeps_every_other_host_as_it_is() {
    let mut world = with_vhds();
    for index in 0..100 {
        world.accept(&host(&format!("services/{index}"), &[&format!("{index}.test")], "a"));
    }
    let before = world.tables["services"].clone();
    let applied = world.accept(&host("services/7", &["7.test"], "b"));
    assert_eq!(
        (applied.update.tables.len(), applied.update.clusters.len(), applied.update.listeners.len()),
        (1, 0, 0)
    );
    let after = &world.tables["services"];
    let same = |index: u32| {
        let key = format!("services/{index}");
        Arc::ptr_eq(before.get(&key).unwrap(), after.get(&key).unwrap())
    };
    assert!((0..100).all(|index| same(index) == (index != 7)));
    assert_eq!(world.ask("services", "7.test"), "b");
}

#[test]
fn the_same_host_does_nothing() {
    let mut world = with_vhds();
    world.accept(&host("services/x", &["x.test"], "a"));
    assert!(world.accept(&host("services/x", &["x.test"], "a")).update.is_empty());
}

#[test]
fn a_domain_belongs_to_one_host() {
    let mut world = with_vhds();
    world.accept(&host("services/x", &["x.test"], "a"));
    let why = world.refuse(&host("services/y", &["X.test"], "b"));
    assert_eq!(
        why,
        "domains: domain \"x.test\" belongs to virtual host \"services/x\" and cannot belong to \"services/y\" as well"
    );
    assert_eq!(world.ask("services", "x.test"), "a");
}

#[test]
fn a_domain_may_pass_from_one_host_to_another_in_any_order() {
    let mut world = with_vhds();
    world.accept(&host("services/x", &["x.test"], "a"));
    world.accept(&host("services/y", &["y.test"], "b"));
    let swapped = [host("services/x", &["y.test"], "a"), host("services/y", &["x.test"], "b")];
    let applied = world.all(&swapped);
    assert!(applied.rejected.is_empty(), "{:?}", applied.rejected);
    assert_eq!((world.ask("services", "x.test"), world.ask("services", "y.test")), ("b".into(), "a".into()));
}

#[test]
fn of_one_message_the_valid_hosts_are_used() {
    let mut world = with_vhds();
    let broken = VirtualHost { domains: vec![], ..host("services/broken", &[], "a") };
    let applied =
        world.all(&[host("services/x", &["x.test"], "a"), broken, host("services/y", &["y.test"], "b")]);
    assert_eq!(applied.rejected.len(), 1);
    assert_eq!(applied.rejected[0].message, "domains: is empty");
    assert_eq!((world.ask("services", "x.test"), world.ask("services", "y.test")), ("a".into(), "b".into()));
}

#[test]
fn hosts_survive_a_change_of_what_they_are_in() {
    let mut world = with_vhds();
    world.accept(&host("services/x", &["x.test"], "a"));
    let changed = RouteConfiguration { ignore_port_in_host_matching: false, ..vhds("services") };
    assert!(world.accept(&changed).interests.is_empty());
    assert_eq!(world.ask("services", "x.test"), "a");
    assert_eq!(world.ask("services", "x.test:80"), "no route");
    let applied = world.accept(&routes("services", vec![host("own", &["own.test"], "b")]));
    assert_eq!(interests(&applied, VIRTUAL_HOST), ["-services"]);
    assert_eq!(world.ask("services", "x.test"), "no route", "it has no more hosts than its own");
    assert_eq!(world.ask("services", "own.test"), "b");
}

#[test]
fn its_own_hosts_and_those_that_join_share_the_domains() {
    let mut world = with_vhds();
    world.accept(&RouteConfiguration {
        virtual_hosts: vec![host("own", &["own.test"], "a")],
        ..vhds("services")
    });
    let why = world.refuse(&host("services/x", &["own.test"], "b"));
    assert!(why.contains("\"own\"") && why.contains("\"services/x\""), "{why}");
    world.accept(&host("services/x", &["x.test"], "b"));
    let greedy = vec![host("own", &["own.test", "x.test"], "a")];
    let why = world.refuse(&RouteConfiguration { virtual_hosts: greedy, ..vhds("services") });
    assert!(why.starts_with("virtual_hosts: domain \"x.test\""), "{why}");
    assert_eq!(world.ask("services", "x.test"), "b");
}

#[test]
fn a_host_of_nobodys_is_passed_over() {
    let mut world = with_vhds();
    assert!(world.accept(&host("strangers/x", &["x.test"], "a")).update.is_empty());
    assert_eq!(world.ask("services", "x.test"), "no route");
}

#[test]
fn envoys_servers_name_a_host_with_or_without_its_routes() {
    let mut world = with_vhds();
    let short = crate::build::body(&host("x", &["x.test"], "a"));
    let resource = forebay_model::Resource { name: "services/x", version: "", body: &short };
    let applied = world.model.apply(VIRTUAL_HOST, false, &[resource], &[], world.now);
    assert!(world.obey(applied).rejected.is_empty());
    assert_eq!(world.ask("services", "x.test"), "a");
    let other = forebay_model::Resource { name: "services/y", ..resource };
    let applied = world.model.apply(VIRTUAL_HOST, false, &[other], &[], world.now);
    assert_eq!(world.obey(applied).rejected[0].message, "name: \"x\" came under the name \"services/y\"");
}

#[test]
fn a_cluster_that_comes_or_goes_is_noticed_by_its_routes() {
    let mut world = with_vhds();
    world.accept(&host("services/x", &["x.test"], "late"));
    assert_eq!(world.ask("services", "x.test"), "late (missing)");
    world.accept(&fixed("late", &[("10.0.0.1", 80)]));
    assert_eq!(world.ask("services", "x.test"), "late");
    world.remove::<Cluster>("late");
    assert_eq!(world.ask("services", "x.test"), "late (missing)");
    world.accept(&fixed("late", &[("10.0.0.1", 80)]));
    assert_eq!(world.ask("services", "x.test"), "late");
}
